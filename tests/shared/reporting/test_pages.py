"""What holds for every kind of report: its verdict comes first, and it reads by day, by night and on a phone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from shared.io.atomic import write_text
from shared.reporting.html import sections
from shared.reporting.index import find_studies, write_index
from shared.runs.record import ModelRecord
from tests.shared.reporting.pages import KINDS, TASK, make_pages
from tests.shared.web.browsing import AXE_VARIABLE, browser, needs_chromium, page_on, serious_violations, shoot

LOOK = Path("shared/reporting/templates/look.css")
HIDDEN_TABLES = """[...document.querySelectorAll('.scroll')].filter(
    (one) => one.firstElementChild.getBoundingClientRect().left < one.getBoundingClientRect().left - 1
).map((one) => one.ariaLabel)"""
"""Tables whose first column lies where no scrolling brings it into view."""
Draw = Callable[..., Path]


class Page(HTMLParser):
    """The tags of a page in their order, each with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]

    def place(self, wanted: Callable[[str, dict[str, str | None]], bool]) -> int:
        return next(i for i, (tag, attributes) in enumerate(self.tags) if wanted(tag, attributes))


@pytest.fixture(scope="module")
def pages(
    tmp_path_factory: pytest.TempPathFactory, model_record: ModelRecord, draw_characters: Draw
) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(root / "config"))
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        return make_pages(root, model_record, draw_characters)


@pytest.mark.parametrize("kind", KINDS)
def test_every_report_stands_alone_says_what_it_is_and_can_be_read_by_all(pages: dict[str, Path], kind: str) -> None:
    html = pages[kind].read_text(encoding="utf-8")
    page = Page(html)
    assert page.of("html") == [{"lang": "en"}]
    assert len(page.of("h1")) == 1
    assert re.search(r"<title>\S", html)
    meta = {one["name"]: one["content"] for one in page.of("meta") if "name" in one}
    assert meta["viewport"] == "width=device-width, initial-scale=1"
    assert meta["report"]
    assert meta["application-name"]
    assert "@media screen and (prefers-color-scheme: dark)" in html
    assert "@media print" in html
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    assert "url(" not in html
    assert all(str(one["src"]).startswith("data:image/png;base64,") for one in page.of("img"))
    assert all(one.get("alt") for one in page.of("img"))
    assert all(not re.match(r"\w+:|/", str(one["href"])) for one in page.of("a"))
    assert all(one.get("scope") in ("col", "row") for one in page.of("th"))
    ids = [one["id"] for _, one in page.tags if "id" in one]
    assert len(ids) == len(set(ids))
    inner = {str(one["href"])[1:] for one in page.of("a") if str(one["href"]).startswith("#")}
    assert inner <= set(ids)
    assert {place for place, _ in sections(html)} <= inner or len(sections(html)) < 2
    around = [page.tags[i - 1][1] for i, (tag, _) in enumerate(page.tags) if tag == "table"]
    assert all("scroll" in str(one.get("class")) and one.get("tabindex") == "0" for one in around)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "index"])
def test_every_report_begins_with_its_verdict(pages: dict[str, Path], kind: str) -> None:
    html = pages[kind].read_text(encoding="utf-8")
    page = Page(html)
    verdict = page.place(lambda _, one: str(one.get("class")).startswith("verdict"))
    assert all(tag not in ("h2", "table", "img") for tag, _ in page.tags[:verdict])
    said = next(one["content"] for one in page.of("meta") if one.get("name") == "description")
    assert said
    assert str(said).lower() in unescape(html.partition("</head>")[2]).lower()


def test_the_index_links_every_page_of_the_application_and_no_other(pages: dict[str, Path]) -> None:
    root = pages["index"].parent
    linked = {root / str(one["href"]) for one in Page(pages["index"].read_text(encoding="utf-8")).of("a")}
    assert root / "finished/report.html" in linked
    ours = {kind for kind in KINDS if pages[kind] in linked}
    assert ours == {"adaptation", "audit", "comparison", "advice"}  # the others are of another application, or no runs
    write_text(root / "somebody.html", "<title>a page of somebody</title>")
    assert len(list(find_studies(TASK, root))) == 4
    assert write_index(TASK, root) == (pages["index"], 5)


def test_an_adaptation_shows_groups_before_images(pages: dict[str, Path]) -> None:
    html = pages["adaptation"].read_text(encoding="utf-8")
    assert 0 < html.index("sensitivity, by writer</th>") < html.index(">sensitivity</th>")


def test_pairs_of_an_audit_have_the_same_number_in_table_page_and_pictures(pages: dict[str, Path]) -> None:
    html = pages["audit"].read_text(encoding="utf-8")
    rows = (pages["audit"].parent / "pairs.csv").read_text(encoding="utf-8").splitlines()
    numbers = [str(number) for number in range(1, len(rows))]
    assert len(numbers) >= 2
    assert [row.partition(",")[0] for row in rows[1:]] == numbers
    assert re.findall(r'<a href="#pair\d+">(\d+)</a>', html) == numbers
    assert re.findall(r'<span class="pair-number">(\d+)</span>', html) == numbers
    assert rows[1].split(",")[5] != rows[1].split(",")[6]  # the first pair has different labels
    assert "000.png" not in html


def test_the_colours_of_words_have_the_contrast_that_wcag_asks_for() -> None:
    css = LOOK.read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{([^}]*--ink[^}]*)\}", css)
    for block in (light, dark):
        colours = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
        for ink, papers in (
            ("ink", ("paper", "card", "warn-paper", "doubt-paper")),
            ("muted", ("paper", "card")),
            ("accent", ("paper", "card")),
        ):
            assert all(_contrast(colours[ink], colours[paper]) >= 4.5 for paper in papers), (ink, colours)


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    first, second = sorted((_luminance(one), _luminance(other)))
    return (second + 0.05) / (first + 0.05)


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    with browser() as opened:
        yield opened


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("kind", KINDS)
def test_no_report_is_wider_than_a_phone_and_its_dark_paper_is_dark(
    opened: Any, pages: dict[str, Path], kind: str
) -> None:
    for screen, dark in (("phone", False), ("phone", True), ("wide", False), ("wide", True)):
        with page_on(opened, screen, dark=dark) as page:
            page.set_content(pages[kind].read_text(encoding="utf-8"))
            shoot(page, f"report-{kind}-{screen}-{'dark' if dark else 'light'}")
            paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (max(int(value) for value in re.findall(r"\d+", paper)[:3]) < 64) is dark
            assert page.evaluate(HIDDEN_TABLES) == []
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.className") == "skip"
            if os.environ.get(AXE_VARIABLE):
                assert serious_violations(page) == []
