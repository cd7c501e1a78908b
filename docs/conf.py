"""Sphinx configuration."""

import whitesquare

project = "whitesquare"
author = "The whitesquare developers"
release = whitesquare.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_use_ivar = True
myst_heading_anchors = 3
