"""How Sphinx builds the documentation: ``make docs``."""

import inspect
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import metalyra  # noqa: E402
from metalyra.core.callable_packages import CallablePackage  # noqa: E402

# The notebooks run with this library, and with no data, network or settings of the user.
for name in [name for name in os.environ if "METALYRA" in name]:
    del os.environ[name]
os.environ |= {"PYTHONPATH": str(ROOT / "workflow"), "METALYRA_OFFLINE": "1", "MPLBACKEND": ""}

project = "MetaLyra"
author = copyright = "The MetaLyra developers"
version = release = metalyra.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
default_role = "code"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"MetaLyra {release}"
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False


def cite(work: Mapping[str, Any]) -> str:
    """Return a work of CITATION.cff as an item of a list in Markdown."""
    authors = ", ".join(
        " ".join(filter(None, (author.get("given-names"), author.get("family-names"))))
        or author["name"]
        for author in work["authors"]
    )
    doi = f", [doi:{work['doi']}](https://doi.org/{work['doi']})" if "doi" in work else ""
    place = f"*{work['journal']}* {work['volume']}, {work['start']}"
    return f"- {authors} ({work['year']}): {work['title']}. {place}{doi} ({work['notes']})"


CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))

myst_enable_extensions = ["dollarmath", "substitution"]
myst_substitutions = {"works": "\n".join(cite(work) for work in CITATION["references"])}
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_member_order = "groupwise"
autodoc_typehints = "none"
autosummary_generate = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True


def write_inline_mathml(writer: Any, node: nodes.math) -> None:
    """Write a formula within a line."""
    writer.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def write_mathml(writer: Any, node: nodes.math_block) -> None:
    """Write a formula of its own, in a box that a narrow screen can scroll."""
    formula = tex2mathml(node.astext(), as_block=True)
    writer.body.append(f'<div class="formula">{formula}</div>')
    raise nodes.SkipNode


def describe_package(
    app: Sphinx, what: str, name: str, object_: Any, options: Any, lines: list[str]
) -> None:
    """Describe a package that can be called, and its call, each by its own words alone."""
    if isinstance(object_, CallablePackage):
        own, of_call = vars(object_)["__doc__"] or "", inspect.getdoc(object_._function) or ""
        lines[:] = (own if what == "module" else of_call).splitlines()


def setup(app: Sphinx) -> None:
    """Let formulas be MathML, which browsers show without a script, and so without a network."""
    app.connect("autodoc-process-docstring", describe_package, priority=100)  # before napoleon
    app.add_html_math_renderer("mathml", (write_inline_mathml, None), (write_mathml, None))
