"""A person looks at scans in a browser: each kind of input, scrolling, the window, refusals, a phone, accessibility."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.medtl.planted import Training
from tests.shared.web.browsing import SCREENS, browser, needs_chromium, page_on, serious_violations, served, shoot

pytestmark = [pytest.mark.slow, needs_chromium]
SLICE = "#grey[data-slice='{}']"


@pytest.fixture(scope="module")
def address(tiny_model: Path) -> Iterator[str]:
    with served("medtl", tiny_model) as address:
        yield address


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def zipped(scanned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.make_archive(str(tmp_path_factory.mktemp("zip") / "scan"), "zip", scanned))


def open_scan(page: Any, address: str, chooser: str, given: Any) -> None:
    page.goto(address)
    page.set_input_files(chooser, given)
    page.wait_for_selector(".outcome")


def test_each_kind_of_input_is_uploaded_and_shown(opened: Any, address: str, scanned: Path, zipped: Path) -> None:
    kinds = (
        ("#choose-files", sorted(scanned.iterdir())[0], 1),
        ("#choose-files", sorted(scanned.iterdir()), 4),
        ("#choose-folder", scanned, 4),
        ("#choose-files", zipped, 4),
    )
    with page_on(opened, "wide") as page:
        for chooser, given, count in kinds:
            open_scan(page, address, chooser, given)
            page.wait_for_selector("#grey[data-slice]")
            assert page.inner_text("#where").partition(" of ")[2].startswith(f"{count},")
            assert page.inner_text(".verdict") in ("Tumour suspected", "No tumour suspected")


def test_a_dropped_file_is_taken(opened: Any, address: str, zipped: Path) -> None:
    with page_on(opened, "wide") as page:
        page.goto(address)
        transfer = page.evaluate_handle(
            "(bytes) => { const held = new DataTransfer();"
            " held.items.add(new File([new Uint8Array(bytes)], 'scan.zip')); return held; }",
            list(zipped.read_bytes()),
        )
        page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
        page.wait_for_selector("#grey[data-slice]")


def test_slices_are_scrolled_and_windowed_by_wheel_keys_and_drag(opened: Any, address: str, scanned: Path) -> None:
    with page_on(opened, "wide") as page:
        open_scan(page, address, "#choose-folder", scanned)
        page.focus(".screen")
        page.keyboard.press("Home")
        page.wait_for_selector(SLICE.format(1))
        page.hover(".screen")
        page.mouse.wheel(0, 100)
        page.wait_for_selector(SLICE.format(3))
        page.keyboard.press("ArrowUp")
        page.wait_for_selector(SLICE.format(2))
        page.keyboard.press("End")
        page.wait_for_selector(SLICE.format(4))
        before, bright = page.inner_text("#windowed"), pixel_sum(page)
        box = page.locator(".screen").bounding_box()
        page.mouse.move(box["x"] + 200, box["y"] + 200)
        page.mouse.down()
        page.mouse.move(box["x"] + 120, box["y"] + 120, steps=4)
        page.mouse.up()
        page.wait_for_timeout(200)
        assert page.inner_text("#windowed") != before
        assert pixel_sum(page) != bright
        page.keyboard.press("r")
        assert page.inner_text("#windowed") == before
        page.locator("#strip").click(position={"x": 5, "y": 20})
        page.wait_for_selector(SLICE.format(1))


def pixel_sum(page: Any, canvas: str = "grey") -> int:
    code = (
        f"const c = document.getElementById('{canvas}');"
        "c.getContext('2d').getImageData(0, 0, c.width, c.height).data.reduce((a, b) => a + b, 0)"
    )
    total: int = page.evaluate(f"(() => {{ {code.replace('c.getContext', 'return c.getContext', 1)} }})()")
    return total


def test_presets_change_the_window_and_say_which_one_is_shown(opened: Any, address: str, scanned: Path) -> None:
    with page_on(opened, "wide") as page:
        open_scan(page, address, "#choose-folder", scanned)
        page.wait_for_selector("#grey[data-slice]")
        sums = {}
        for name in ("opened", "full", "middle", "brighter", "darker"):
            page.focus(f"[data-window={name}]")
            page.keyboard.press("Enter")
            page.wait_for_timeout(100)
            assert page.locator(".window[aria-pressed=true]").get_attribute("data-window") == name
            sums[name] = pixel_sum(page)
        assert sums["darker"] < sums["opened"] < sums["brighter"]
        page.focus(".screen")
        page.keyboard.press("w")
        assert page.locator(".window[aria-pressed=true]").count() == 0
        page.keyboard.press("r")
        page.wait_for_timeout(100)
        assert pixel_sum(page) == sums["opened"]


def test_the_inset_follows_the_slice_and_hides(opened: Any, address: str, scanned: Path) -> None:
    with page_on(opened, "wide") as page:
        open_scan(page, address, "#choose-folder", scanned)
        shown = set()
        for number, key in ((1, "Home"), (4, "End")):
            page.focus(".screen")
            page.keyboard.press(key)
            page.wait_for_selector(f"#seen[data-slice='{number}']")
            shown.add(pixel_sum(page, "seen"))
        assert len(shown) == 2
        page.keyboard.press("i")
        assert page.locator("#seen").is_hidden()
        assert page.locator("#crop").is_hidden()


def test_on_a_phone_nothing_lies_over_another(opened: Any, address: str, scanned: Path) -> None:
    with page_on(opened, "phone") as page:
        open_scan(page, address, "#choose-folder", scanned)
        page.wait_for_selector("#grey[data-slice]")
        assert not page.is_checked("#show-input")
        page.check("#show-input")
        page.wait_for_selector("#seen[data-slice]")
        parts = page.evaluate(
            "[...document.querySelectorAll('.bar span, .side, #seen')].map((one) => {"
            " const { x, y, width, height } = one.getBoundingClientRect(); return [one.id, x, y, width, height]; })"
        )
        assert len(parts) == 4 + 4 + 1
        for (one, x, y, width, height), (other, left, top, wide, tall) in itertools.combinations(parts, 2):
            apart = x + width <= left or left + wide <= x or y + height <= top or top + tall <= y
            assert apart, (one, other)


def test_a_map_is_still_there_when_one_scrolls_away_and_back(opened: Any, planted_training: Training) -> None:
    folder = next(planted_training.data.rglob("*.dcm")).parent
    with served("medtl", planted_training.run) as address, page_on(opened, "wide") as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
        open_scan(page, address, "#choose-folder", folder)
        page.focus(".screen")
        page.keyboard.press("Home")
        page.wait_for_selector(SLICE.format(1))
        page.click("#explain")
        page.wait_for_selector("#explained:not([hidden])")
        verdict, laid = page.inner_text("#verdict"), pixel_sum(page, "over")
        assert verdict.startswith(("This map passed", "Not reliable"))
        assert laid > 0
        shoot(page, "medtl-light-wide-explained")
        page.focus(".screen")
        page.keyboard.press("ArrowDown")
        page.wait_for_selector(SLICE.format(2))
        assert page.locator("#explained").is_hidden()
        assert pixel_sum(page, "over") == 0
        page.keyboard.press("ArrowUp")
        page.wait_for_selector(SLICE.format(1))
        assert (page.inner_text("#verdict"), pixel_sum(page, "over")) == (verdict, laid)
        assert page.locator("#explain").is_hidden()
        assert sum(address.endswith("/explanation") for address in asked) == 1


def test_a_refusal_is_read_and_the_upload_deleted(opened: Any, address: str, tmp_path: Path) -> None:
    (tmp_path / "note.dcm").write_bytes(b"no image")
    with page_on(opened, "phone") as page:
        open_scan(page, address, "#choose-files", tmp_path / "note.dcm")
        assert page.inner_text(".verdict") == "Refused"
        assert "This input" in page.inner_text(".outcome")
        shoot(page, "medtl-refused-phone")
        page.click("#delete")
        page.wait_for_selector("#drop")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_pages_fit_the_screen_and_have_no_serious_fault_of_accessibility(
    opened: Any, address: str, scanned: Path, screen: str, dark: bool
) -> None:
    found, name = [], f"medtl-{'dark' if dark else 'light'}-{screen}"
    with page_on(opened, screen, dark=dark) as page:
        for path in ("", "runs", "docs"):
            page.goto(address + path)
            shoot(page, f"{name}-{path or 'home'}")
            found += serious_violations(page)
        open_scan(page, address, "#choose-folder", scanned)
        page.wait_for_selector("#grey[data-slice]")
        assert page.locator(".disclaimer").is_visible()
        shoot(page, f"{name}-scan")
        found += serious_violations(page)
    assert found == []


def test_the_keyboard_alone_is_enough(opened: Any, address: str, scanned: Path) -> None:
    with page_on(opened, "wide") as page:
        open_scan(page, address, "#choose-folder", scanned)
        reached = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
        assert {"screen", "slice", "level", "width", "quiet small window", "show-input", "delete", "dicom"} <= reached
