from .crossmatch import PERIOD_AGREEMENT as PERIOD_AGREEMENT
from .crossmatch import SHIFTS as SHIFTS
from .crossmatch import is_matched as is_matched
from .crossmatch import match_by_chance as match_by_chance
from .crossmatch import match_stars as match_stars
from .crossmatch import period_differences as period_differences
from .crossmatch import summarise_match as summarise_match
