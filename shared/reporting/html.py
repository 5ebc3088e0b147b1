"""The templates of the HTML files that the engine writes; each extends `page.html` and stands alone."""

from __future__ import annotations

import re

from jinja2 import Environment, PackageLoader, Template, select_autoescape
from markupsafe import Markup

SECTION = re.compile(r'<h2 id="([\w-]+)">(.*?)</h2>')


def template(name: str) -> Template:
    """Loads a Jinja template for an HTML file; every value that is filled in is escaped.

    Every page is given `name` (its heading), `kind` (what report it is: "comparison"), `title` (that of the
    application), `verdict` (lines without a full stop, that stand before all else), and `disclaimers` (sentences).
    `tone` may colour the verdict: "doubt" or "bad".

    Args:
        name: Name of a file in `shared/reporting/templates`, such as "report.html".

    Returns:
        The template; its `render` gives the HTML page.

    Raises:
        jinja2.TemplateNotFound: There is no such file.
    """
    pages = Environment(loader=PackageLoader("shared.reporting"), autoescape=select_autoescape())
    pages.filters["sections"] = sections
    return pages.get_template(name)


def sections(html: str) -> list[tuple[str, Markup]]:
    """Lists the sections of a page for its contents: the address and the words of every heading `<h2 id="...">`.

    Args:
        html: HTML in which all that was filled in is escaped.
    """
    return [(place, Markup(words)) for place, words in SECTION.findall(html)]
