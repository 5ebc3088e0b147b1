"""The index of a folder of runs: one page that links every run's report and every page of a study below it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shared.errors import MedtlError
from shared.io.atomic import write_text
from shared.reporting.html import template
from shared.runs.listing import FinishedRun, list_runs
from shared.runs.verdict import read_verdict
from shared.task import Task

KIND = "index of reports"
RUN_REPORT = "report.html"
HEAD_BYTES = 20_000
"""Bytes of a page within which its head's facts stand."""
HIDDEN = (".", "_")
"""How the names of folders begin that are not looked into."""


@dataclass(frozen=True)
class StudyPage:
    """A page about more than one run: a comparison, an adaptation, an advice.

    Attributes:
        path: The file.
        kind: What it is, as its head says.
        verdict: The first line of its verdict.
        written: Time at which it was written, UTC.
    """

    path: Path
    kind: str
    verdict: str
    written: datetime


def write_index(task: Task, root: Path) -> tuple[Path, int]:
    """Writes `index-TASK.html` into a folder of runs, which several applications may share.

    It lists the finished runs of the application directly below with what each is fit for, the pages of studies at any
    depth, the newest first, and what is unfinished or damaged.

    Args:
        task: The application.
        root: Existing folder of runs.

    Returns:
        The page, and the number of reports that it links.
    """
    listed, pages = list_runs(root, task.name), list(find_studies(task, root))
    kinds = dict.fromkeys(sorted(page.kind for page in pages))
    runs = [_run(run, root) for run in listed.finished]
    html = template("index.html").render(
        name="Reports",
        kind=KIND,
        title=task.title,
        verdict=[],
        disclaimers=list(task.disclaimers),
        runs=runs,
        studies=[
            (f"{kind[0].upper()}{kind[1:]}", [_study(page, root) for page in pages if page.kind == kind])
            for kind in kinds
        ],
        faulty=[one.reason.rstrip(".") for one in listed.faulty],
    )
    index = root / f"index-{task.name}.html"
    write_text(index, html)
    return index, len(pages) + sum(run["page"] is not None for run in runs)


def find_studies(task: Task, root: Path) -> Iterator[StudyPage]:
    """Finds the pages of studies of an application below a folder, the newest first.

    What a page is stands in its head, so a new kind of report is found as it is.

    Args:
        task: The application.
        root: Folder of runs.
    """
    found = []
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if not name.startswith(HIDDEN)]
        for name in files:
            if name.endswith(".html") and name != RUN_REPORT:
                page = _read(Path(folder) / name, task.title)
                if page is not None:
                    found.append(page)
    yield from sorted(found, key=lambda page: page.written, reverse=True)


def _read(path: Path, title: str) -> StudyPage | None:
    """The facts in the head of a page; None where it is no report of the application."""
    head = _Head()
    try:
        with path.open("rb") as stream:
            head.feed(stream.read(HEAD_BYTES).decode("utf-8", "replace"))
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None
    kind = head.facts.get("report", KIND)
    if kind == KIND or head.facts.get("application-name") != title:
        return None
    return StudyPage(path, kind, head.facts.get("description", ""), written)


class _Head(HTMLParser):
    """Collects the `meta` facts of a page by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "meta" and given.get("name"):
            self.facts.setdefault(str(given["name"]), given.get("content") or "")


def _run(run: FinishedRun, root: Path) -> dict[str, Any]:
    """An entry of the list of runs."""
    try:
        said = read_verdict(run.folder, run.record)
        verdict = "; ".join([*said.warnings, said.fitness.text])
    except MedtlError as error:
        verdict = str(error)
    page = run.folder / RUN_REPORT
    return {
        "name": run.folder.name,
        "page": _link(page, root) if page.is_file() else None,
        "verdict": verdict,
        "backbone": str(run.record.backbone.get("name", "mean of several")),
        "when": f"{datetime.fromisoformat(run.provenance.finished):%Y-%m-%d %H:%M}",
    }


def _study(page: StudyPage, root: Path) -> dict[str, str]:
    """An entry of the list of a kind of study."""
    folder = page.path.parent.relative_to(root)
    return {
        "name": str(folder) if folder.name else page.path.stem,
        "link": _link(page.path, root),
        "verdict": page.verdict.removeprefix("verdict: "),
        "when": f"{page.written:%Y-%m-%d %H:%M}",
    }


def _link(page: Path, root: Path) -> str:
    return quote(page.relative_to(root).as_posix())
