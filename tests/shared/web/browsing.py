"""A served application and a browser in which a test does what a person does."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

TOKEN = "0123456789abcdef"
CHROMIUM = shutil.which("chromium")
AXE_VARIABLE = "MEDTL_AXE"
"""Names a file `axe.min.js` of npm's axe-core; it goes into the page under test only."""
SCREENS = {"phone": (360, 740), "wide": (1280, 900)}
OURS = ("http://127.0.0.1:", "blob:", "data:")
"""How addresses begin that are not of another host."""
SHOTS_VARIABLE = "MEDTL_SHOTS"
"""Names a folder for screenshots that people look at."""

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="needs Debian's chromium and pip's playwright",
)


@contextmanager
def served(application: str, run: Path, *words: str) -> Iterator[str]:
    """The address of `application serve` on a free port, until the end."""
    command = f"from {application}.cli import main\nif __name__ == '__main__':\n    main()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "serve", "--model", str(run), "--port", "0", *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "MEDTL_TOKEN": TOKEN},
    )
    assert process.stdout is not None
    try:
        yield next(line.split()[1].partition("?")[0] for line in process.stdout if line.startswith("open http://"))
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def page_on(opened: Any, screen: str, *, dark: bool = False) -> Iterator[Any]:
    """A page whose console must stay free of errors and that asks nobody but the server."""
    width, height = SCREENS[screen]
    context = opened.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        has_touch=screen == "phone",
        extra_http_headers={"Authorization": f"Bearer {TOKEN}"},
    )
    page = context.new_page()
    page.set_default_timeout(120_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
    page.on("request", lambda asked: None if asked.url.startswith(OURS) else faults.append(asked.url))
    yield page
    assert faults == []
    context.close()


def shoot(page: Any, name: str) -> None:
    """Checks that nothing is wider than the screen, and keeps a picture where a folder is named."""
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name
    if folder := os.environ.get(SHOTS_VARIABLE):
        page.screenshot(path=Path(folder) / f"{name}.png")


def serious_violations(page: Any) -> list[str]:
    """What axe-core finds of impact serious or critical; skips where it is not there."""
    script = os.environ.get(AXE_VARIABLE)
    if not script:
        pytest.skip(f"{AXE_VARIABLE} names no axe.min.js (npm install axe-core)")
    page.evaluate(Path(script).read_text(encoding="utf-8") + "; undefined")
    found = page.evaluate("axe.run().then((result) => result.violations)")
    return [
        f"{one['id']} {one['impact']}: {node['html'][:200]} {node['failureSummary'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
