"""What a user of Python and of the command line calls: `metalyra.fit`, `predict` and `models`.

The public names are in __init__.pyi; a module is loaded when one of its names is used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
