"""Routes by which a person teaches a character that the model does not know, and takes it back."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from handwriting.labels import CHARACTERS, canonical
from handwriting.web.teach_work import TeachWork
from shared.errors import RunError
from shared.processes.worker import WorkFailed
from shared.web.app import faults
from shared.web.openapi import form_of_files
from shared.web.receiving import UploadRefused, receive
from shared.web.site import Site
from shared.web.uploads import StoreFull
from shared.web.workers import WorkerPool

FOLDER = "taught"
"""Below the folder of runs, where neither the newest run nor the list of runs is looked for."""
MIN_DRAWINGS, MAX_DRAWINGS = 5, 20
"""Drawings. Fewer than five: docs/lab-log.md, 2026-11-26; more than twenty nobody draws."""
MAX_BYTES = MAX_DRAWINGS << 18
"""256 KiB a drawing: a canvas of 280 x 280 takes 10."""
MAX_TAUGHT = 50
"""Characters in one life of a server; each is a run folder."""
MAX_NAME = 40
MAX_STEM = 60
"""Characters of the first run's name that stand in the name of a folder."""
TEACH_S = 300.0
"""torch is loaded and a network exported: seconds, on a busy machine a minute."""
FORM_BODY = form_of_files(MIN_DRAWINGS, MAX_DRAWINGS, name={"type": "string", "minLength": 1, "maxLength": MAX_NAME})


class Answering(BaseModel):
    """Which model answers now.

    Attributes:
        model: Name of its run.
        taught: The characters that were taught here, as people are told them, the last one last.
        notes: What must be known of it, a sentence each.
    """

    model: str
    taught: list[str]
    notes: list[str]


@dataclass
class Lessons:
    """What has been taught while the server lives.

    Attributes:
        site: The server.
        pool: The process that learns.
        renew: Has the workers answer with another run.
        before: The runs that answered before, the first one first, each with the label that came after it.
        busy: Whether a character is being taught or taken back.
    """

    site: Site
    pool: WorkerPool
    renew: Callable[[Path], None]
    before: list[tuple[Path, str]] = field(default_factory=list)
    busy: bool = False

    @property
    def said(self) -> list[str]:
        """The characters that were taught, as people are told them."""
        return [self.site.task.display_name(label) for _, label in self.before]

    def check(self, name: str) -> str:
        """The label of a character that can be taught.

        Raises:
            HTTPException: It is no name, or the model knows it.
        """
        label = canonical(name)
        if not 0 < len(label) <= MAX_NAME or not label.isprintable() or not any(map(str.isalnum, label)):
            raise HTTPException(400, f"name the character by 1 to {MAX_NAME} signs, a letter or digit among them")
        if label in self.site.record.classes:
            raise HTTPException(
                409, f"the model reads {self.site.task.display_name(label)} already; teach one it does not know"
            )
        if len(self.before) >= MAX_TAUGHT:
            raise HTTPException(409, f"{MAX_TAUGHT} characters were taught; take one back, or start the server again")
        return label

    async def teach(self, label: str, drawings: Path) -> Answering:
        """Teaches a character; from then on the new run answers.

        Raises:
            HTTPException: It cannot be taught.
        """
        out = self.site.runs.resolve() / FOLDER / self._folder_name(label)
        try:
            notes = await self.pool.call("teach", self.site.run, label, drawings, out)
        except WorkFailed as error:
            await asyncio.to_thread(shutil.rmtree, out, ignore_errors=True)  # of a process that was ended
            raise HTTPException(400, f"not taught: {error}") from None
        self.before.append((self.site.run, label))
        self._answer_with(out)
        return Answering(model=out.name, taught=self.said, notes=notes)

    async def take_back(self) -> Answering:
        """Has the run before answer again, and deletes the one that was taught last.

        Raises:
            HTTPException: Nothing was taught, or the run before is not there any more.
        """
        if not self.before:
            raise HTTPException(404, "no character was taught here, so there is none to take back")
        taught, (run, _) = self.site.run, self.before[-1]
        try:
            self._answer_with(run)
        except RunError:
            raise HTTPException(409, "not taken back: the model before cannot be read any more") from None
        self.before.pop()
        await asyncio.to_thread(shutil.rmtree, taught, ignore_errors=True)
        return Answering(model=run.name, taught=self.said, notes=[])

    def _answer_with(self, run: Path) -> None:
        self.site.answer_with(run)
        self.renew(run)

    def _folder_name(self, label: str) -> str:
        first = self.before[0][0] if self.before else self.site.run
        plain, when = re.sub(r"\W", "-", label), datetime.now(UTC)
        return f"{first.name[:MAX_STEM]}-taught-{len(self.before) + 1}-{plain}-{when:%Y%m%d-%H%M%S-%f}"


def teaching(site: Site, renew: Callable[[Path], None]) -> tuple[APIRouter, WorkerPool]:
    """The routes, and the process behind them.

    Args:
        site: The server.
        renew: Has its workers answer with another run.
    """
    lessons = Lessons(site, WorkerPool(TeachWork(site.task), 1, TEACH_S), renew)
    router = APIRouter()
    router.include_router(_page(lessons))
    router.include_router(_routes(lessons))
    return router, lessons.pool


def _page(lessons: Lessons) -> APIRouter:
    router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)

    @router.get("/teach")
    async def teach_page(request: Request) -> HTMLResponse:
        known = lessons.site.record.classes
        return lessons.site.page(
            request,
            "teach.html",
            can_teach=find_spec("torch") is not None,
            unknown=[one for one in CHARACTERS.values() if one.label not in known],
            taught=lessons.said,
            first=(lessons.before[0][0] if lessons.before else lessons.site.run).name,
            fewest=MIN_DRAWINGS,
            most=MAX_DRAWINGS,
        )

    return router


def _routes(lessons: Lessons) -> APIRouter:
    router = APIRouter(prefix="/api/characters", tags=["characters"])

    @router.post("", status_code=201, openapi_extra=FORM_BODY, responses=faults(400, 408, 409, 413, 415, 501, 503))
    async def teach(request: Request) -> Answering:
        """Teaches a character from five drawings or more, as a form: `name`, and parts named `files`.

        From then on the model that knows it answers. Nothing is certified any more; the drawings are not kept.
        """
        if find_spec("torch") is None:
            raise HTTPException(501, "teaching needs torch; install it with: pip install 'medtl[train]'")
        return await _alone(lessons, lambda: _taught(lessons, request))

    @router.delete("", responses=faults(404, 409))
    async def take_back() -> Answering:
        """Takes back the character that was taught last: the model before it answers again."""
        return await _alone(lessons, lessons.take_back)

    return router


async def _alone(lessons: Lessons, work: Callable[[], Any]) -> Answering:
    if lessons.busy:
        raise HTTPException(409, "another character is being taught at this moment; try again when that is done")
    lessons.busy = True
    try:
        found: Answering = await work()
        return found
    finally:
        lessons.busy = False


async def _taught(lessons: Lessons, request: Request) -> Answering:
    store = lessons.site.store
    try:
        held = store.new()
    except StoreFull as error:
        raise HTTPException(503, str(error)) from None
    try:
        content_type = request.headers.get("content-type", "")
        fields = await receive(aiter(request.stream()), content_type, held.files, MAX_BYTES)
        label = lessons.check(fields.get("name", ""))
        count = sum(path.is_file() for path in held.files.iterdir())
        if not MIN_DRAWINGS <= count <= MAX_DRAWINGS:
            raise HTTPException(
                400, f"{count} drawings came; send {MIN_DRAWINGS} to {MAX_DRAWINGS} of the one character"
            )
        return await lessons.teach(label, held.files)
    except UploadRefused as error:
        raise HTTPException(error.status, str(error)) from None
    finally:
        store.delete(held)
