"""From a light curve to its shape: folding, Fourier series, Gaussian processes.

``metalyra.fit(time, mag, period)`` fits one star: see `metalyra.interface.fits.fit`.
The public names are in __init__.pyi; a module is loaded when one of its names is used.
"""

import lazy_loader

from metalyra.core.callable_packages import make_callable

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

make_callable(__name__, "metalyra.interface.fits.fit")
