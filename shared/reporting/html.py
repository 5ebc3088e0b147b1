"""The templates of the HTML files that the engine writes; each extends `page.html` and stands alone."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, Template, select_autoescape


def template(name: str) -> Template:
    """Loads one of `shared/reporting/templates`, in which every value that is filled in is escaped."""
    return Environment(loader=PackageLoader("shared.reporting"), autoescape=select_autoescape()).get_template(name)
