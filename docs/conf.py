"""Sphinx's configuration of the site: `make docs` builds it into docs/_build/html, with warnings as errors."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

project = "medtl"
author = "the authors of medtl"
copyright = "the authors of medtl; Apache-2.0"
html_title = "medtl"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "generated"]
exclude_patterns = ["_build", "reference/speed-table.md"]  # the table is part of a page

myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 4
# a word in single backticks is code in this project's docstrings, as it is in Markdown
default_role = "code"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say shapes, units and ranges, which types do not
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Source", "notes_style"), ("Yields", "returns_style")]

html_theme = "furo"
html_theme_options = {
    "announcement": "Research use only: not a medical device",
    "light_css_variables": {"color-brand-primary": "#0b6157", "color-brand-content": "#0b6157"},
    "dark_css_variables": {"color-brand-primary": "#63cfbf", "color-brand-content": "#63cfbf"},
    "navigation_with_keys": True,
}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
