from .configuration import read_yaml as read_yaml
from .configuration import resolve_config as resolve_config
from .given_paths import find_wrong_paths as find_wrong_paths
from .given_paths import identify as identify
from .given_paths import list_light_curves as list_light_curves
from .messages import ConfigurationError as ConfigurationError
from .study import Study as Study
