"""Where files are that are not a study's: the registries, and the mirror of the archives."""

from pathlib import Path

_INSTALLED = Path(__file__).parents[1] / "resources"

RESOURCES = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[3] / "resources"
"""Folder of the registries: sources, archives, relations, published models, sky regions.

In the installed library it is within the package, else beside the workflow.
"""

MIRROR_VARIABLE = "METALYRA_MIRROR"
"""Environment variable with the mirror's folder."""
