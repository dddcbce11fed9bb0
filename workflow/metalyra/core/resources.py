"""Where the files of resources/ are: beside the workflow, or in the installed library."""

from pathlib import Path

_INSTALLED = Path(__file__).parents[1] / "resources"

RESOURCES = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[3] / "resources"
"""Folder of the registries: sources, archives, relations, published models, sky regions."""
