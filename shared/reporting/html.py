"""The templates of the HTML files that the engine writes; each extends `page.html` and stands alone."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, Template, select_autoescape


def template(name: str) -> Template:
    """Loads a Jinja template for an HTML file; every value that is filled in is escaped.

    Args:
        name: Name of a file in `shared/reporting/templates`, such as "report.html".

    Returns:
        The template; its `render` gives the HTML page.

    Raises:
        jinja2.TemplateNotFound: There is no such file.
    """
    return Environment(loader=PackageLoader("shared.reporting"), autoescape=select_autoescape()).get_template(name)
