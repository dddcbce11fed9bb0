"""MetaLyra: metallicities of RR Lyrae stars from the shapes of their light curves."""

__version__ = "0.2.0"
