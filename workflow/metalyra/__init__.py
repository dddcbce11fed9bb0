"""MetaLyra: metallicities of RR Lyrae stars from the shapes of their light curves.

``metalyra.fit`` fits the light curve of one star, ``metalyra.predict`` gives stars their
metallicities, and ``metalyra.models`` lists the models that come with the library. Nothing is
loaded before it is used.
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["fit", "predict"], submod_attrs={"interface": ["models"]}
)
