from .interface import fit as fit
from .interface import models as models
from .interface import predict as predict

__version__: str
