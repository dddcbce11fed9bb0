from .stacking import COMBINATIONS as COMBINATIONS
from .stacking import PUBLISHED as PUBLISHED
from .stacking import add_published as add_published
from .stacking import combine as combine
from .stacking import combine_folds as combine_folds
from .stacking import complete_stack as complete_stack
from .stacking import train_stack_member as train_stack_member
from .stacking import write_stack_member as write_stack_member
