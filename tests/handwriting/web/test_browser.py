"""A person writes characters in a browser and shows it pages."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handwriting.labels import CHARACTERS
from tests.shared.web.browsing import SCREENS, browser, needs_chromium, page_on, serious_violations, served, shoot

pytestmark = [pytest.mark.slow, needs_chromium]
Points = list[tuple[float, float]]
RUN_VARIABLE = "MEDTL_DHCD_RUN"
"""Names a finished run on DHCD, which alone can read what a person draws."""


def arc(x: float, y: float, width: float, height: float, start: float, stop: float) -> Points:
    """Part of an ellipse; degrees, 0 to the right, 90 down."""
    angles = [math.radians(start + (stop - start) * step / 20) for step in range(21)]
    return [(x + width * math.cos(angle), y + height * math.sin(angle)) for angle in angles]


HEADLINE: Points = [(50, 50), (235, 50)]
STEM: Points = [(195, 50), (195, 235)]
STROKES: dict[str, list[Points]] = {
    "digit_0": [arc(140, 140, 75, 85, -90, 270)],
    "ra": [[(60, 50), (220, 50)], [(140, 50), *arc(130, 90, 35, 35, -60, 120), (100, 130), (190, 235)]],
    "thaa": [[(50, 50), (230, 50)], [(140, 50), (140, 90), *arc(140, 155, 60, 65, -90, 270)]],
    "pa": [HEADLINE, [(85, 50), (85, 120), *arc(135, 120, 50, 45, 180, 0), (190, 120)], STEM],
    "ma": [HEADLINE, STEM, [(95, 50), (95, 150), *arc(85, 165, 20, 20, -60, 300), (195, 160)]],
}
"""On a canvas of 280 x 280."""
STROKE_MS = 100.0
A_STROKES: list[Points] = [
    [(40, 50), (245, 50)],
    [(205, 50), (205, 240)],
    [*arc(85, 105, 38, 30, -150, 80), (80, 138), *arc(85, 180, 48, 42, -80, 150)],
    [(120, 140), (205, 140)],
]
"""अ, which DHCD does not have: headline, stem, a 3 on the left, and the bar between."""


def varied(strokes: list[Points], seed: int) -> list[Points]:
    """The same character by a less steady hand: moved, leaned, stretched."""
    random = np.random.default_rng(seed)
    lean, (x, y), (wide, tall) = random.normal(0, 0.06), random.uniform(-10, 10, 2), random.uniform(0.85, 1.05, 2)
    return [
        [(140 + (px - 140) * wide + (py - 140) * lean + x, 140 + (py - 140) * tall + y) for px, py in points]
        for points in strokes
    ]


@pytest.fixture(scope="module")
def address(tiny_run: Path) -> Iterator[str]:
    with served("handwriting", tiny_run) as address:
        yield address


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    with browser() as opened:
        yield opened


def draw(page: Any, strokes: list[Points]) -> list[float]:
    """Draws with the mouse; gives the milliseconds from the end of each stroke to its answer."""
    page.click("#clear")
    box, taken = page.locator("#canvas").bounding_box(), []
    factor = box["width"] / 280
    for number, stroke in enumerate(strokes, start=1):
        places = [(box["x"] + x * factor, box["y"] + y * factor) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()
        page.wait_for_selector(f"#canvas[data-asked='{number}']")
        taken.append(float(page.get_attribute("#canvas", "data-milliseconds")))
    return taken


def test_five_characters_are_drawn_and_read_right_while_one_writes(opened: Any) -> None:
    run = os.environ.get(RUN_VARIABLE)
    if not run:
        pytest.skip(f"{RUN_VARIABLE} names no run on DHCD")
    with served("handwriting", Path(run)) as address, page_on(opened, "wide") as page:
        page.goto(address)
        draw(page, STROKES["digit_0"])  # starts the worker
        taken = []
        for label, strokes in STROKES.items():
            taken += draw(page, strokes)
            character = CHARACTERS[label]
            assert page.inner_text("#answer") == f"{character.symbol} {character.name}"
            assert page.locator("#top li").count() == 5
        shoot(page, "handwriting-wide-drawn")
    sys.stderr.write(f"milliseconds a stroke: median {np.median(taken):.0f}, most {max(taken):.0f}\n")
    assert np.median(taken) < STROKE_MS


def put_down(page: Any, strokes: list[Points]) -> None:
    """Draws on the canvas with the mouse and waits for nothing."""
    page.locator("#canvas").evaluate("canvas => canvas.scrollIntoView()")
    box = page.locator("#canvas").bounding_box()
    factor = box["width"] / 280
    for stroke in strokes:
        places = [(box["x"] + x * factor, box["y"] + y * factor) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()


@pytest.mark.parametrize(("screen", "dark"), [("wide", False), ("phone", True)])
def test_a_is_taught_from_five_drawings_and_then_read_and_taken_back(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, screen: str, dark: bool
) -> None:
    run = os.environ.get(RUN_VARIABLE)
    if not run:
        pytest.skip(f"{RUN_VARIABLE} names no run on DHCD")
    monkeypatch.chdir(tmp_path)  # where the folder of runs is made
    name = f"handwriting-{'dark' if dark else 'light'}-{screen}-teach"
    with served("handwriting", Path(run)) as address, page_on(opened, screen, dark=dark) as page:
        page.goto(address + "teach")
        page.fill("#name", "अ")
        for seed in range(5):
            if seed == 3:
                put_down(page, varied(A_STROKES, seed))
                shoot(page, f"{name}-drawing")
                page.focus("#canvas")
                page.keyboard.press("Enter")
            else:
                put_down(page, varied(A_STROKES, seed))
                page.click("#keep")
        assert page.locator("#kept img").count() == 5
        page.locator("#learn").scroll_into_view_if_needed()
        shoot(page, f"{name}-five")
        page.click("#learn")
        page.get_by_text("Taught here").wait_for()
        assert page.get_by_text("no certified error rate").count() > 0
        shoot(page, f"{name}-taught")
        page.goto(address)
        draw(page, varied(A_STROKES, 100))
        read = [page.inner_text("#answer")]
        for strokes in (varied(A_STROKES, 101), STROKES["ma"], STROKES["digit_0"]):
            draw(page, strokes)
            read.append(page.inner_text("#answer"))
        assert read == ["अ a", "अ a", "म ma", "० 0"]
        shoot(page, f"{name}-read")
        page.goto(address + "teach")
        page.click("#take-back")
        page.wait_for_selector("#take-back", state="detached")
        assert list((tmp_path / "runs" / "taught").iterdir()) == []


def test_a_character_is_drawn_with_the_keyboard_alone_and_cleared(opened: Any, address: str) -> None:
    with page_on(opened, "wide") as page:
        page.goto(address)
        page.focus("#canvas")
        page.keyboard.press(" ")
        for _ in range(8):
            page.keyboard.press("ArrowDown")
        page.keyboard.press(" ")
        page.wait_for_selector("#canvas[data-asked='1']")
        assert page.inner_text("#answer") != "Nothing is drawn yet."
        page.keyboard.press("Escape")
        page.get_by_text("Nothing is drawn yet.").wait_for()


def test_a_finger_draws_on_a_phone(opened: Any, address: str) -> None:
    with page_on(opened, "phone") as page:
        page.goto(address)
        box = page.locator("#canvas").bounding_box()
        page.touchscreen.tap(box["x"] + 60, box["y"] + 60)
        page.wait_for_selector("#canvas[data-asked='1']")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_a_page_is_read_with_boxes_in_place_and_fits_the_screen(
    opened: Any, address: str, characters: Path, tmp_path: Path, screen: str, dark: bool
) -> None:
    sheet = np.full((140, 320), 255, np.uint8)
    with Image.open(sorted((characters / "digit_0").glob("*.png"))[0]) as image:
        glyph = np.asarray(image.convert("L").resize((60, 60)))
    for column in (40, 160):
        sheet[40:100, column : column + 60] = 255 - glyph
    Image.fromarray(sheet).save(tmp_path / "page.png")
    name, found = f"handwriting-{'dark' if dark else 'light'}-{screen}", []
    with page_on(opened, screen, dark=dark) as page:
        for path in ("teach", ""):
            page.goto(address + path)
            shoot(page, f"{name}-{path or 'home'}")
            found += serious_violations(page)
        page.set_input_files("#choose-files", tmp_path / "page.png")
        page.wait_for_selector(".page rect")
        shown, box = (page.locator(one).first.bounding_box() for one in (".page img", ".page rect"))
        assert 0 < box["x"] - shown["x"] < shown["width"] / 2
        page.locator(".character").nth(1).focus()
        assert "now" in page.get_attribute("rect[data-number='2']", "class")
        shoot(page, f"{name}-page")
        found += serious_violations(page)
    assert found == []
