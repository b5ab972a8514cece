"""Sphinx: `make docs` builds these pages without the network."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import generate  # noqa: E402

import qsmflow  # noqa: E402

project = "qsmflow"
author = "The qsmflow developers"
version = release = qsmflow.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "studies/cache"]
templates_path = ["_templates"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings tell shapes and units, which types do not
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True  # what a docstring says of attributes is said once
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"qsmflow {version}"
html_copy_source = False

generate.write(HERE / "generated")
