"""Routes by which a user adds a new character to the model from drawings, and removes it again."""

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
from shared.extras import missing
from shared.processes.worker import WorkFailed
from shared.web.app import faults
from shared.web.openapi import form_of_files
from shared.web.receiving import RequestRefused, receive
from shared.web.site import Site
from shared.web.uploads import StoreFull
from shared.web.workers import WorkerPool

FOLDER = "taught"
"""Folder below that of the runs: what is taught there is none of the runs that `models` lists."""
MIN_DRAWINGS, MAX_DRAWINGS = 5, 20
"""Number of drawings. The smallest was measured (docs/lab-log.md, 2026-11-26); nobody draws more than twenty."""
MAX_BYTES = MAX_DRAWINGS << 18
"""256 KiB a drawing: a canvas of 280 x 280 takes 10."""
MAX_TAUGHT = 50
"""Characters that one server teaches until it is restarted; each is a run folder."""
MAX_NAME = 40
MAX_STEM = 60
"""Length to which the first run's name is cut in the name of a folder."""
TEACH_S = 300.0
"""Seconds for one character: torch is loaded and a network exported, on a busy machine in a minute."""
FORM_BODY = form_of_files(MIN_DRAWINGS, MAX_DRAWINGS, name={"type": "string", "minLength": 1, "maxLength": MAX_NAME})


class Answering(BaseModel):
    """The model that answers now.

    Attributes:
        model: Name of its run.
        taught: Display names of the characters that were taught here, the last one last.
        notes: Notes about the model for the user, one sentence each.
    """

    model: str
    taught: list[str]
    notes: list[str]


@dataclass
class Lessons:
    """The characters that were taught since the server started.

    Attributes:
        site: State of the server, with the model that answers.
        pool: The teaching process.
        renew: Makes the workers answer with another run.
        before: The runs that answered before, the first one first, each with the label that was taught next.
        busy: Whether a character is being taught or removed.
    """

    site: Site
    pool: WorkerPool
    renew: Callable[[Path], None]
    before: list[tuple[Path, str]] = field(default_factory=list)
    busy: bool = False

    @property
    def display_names(self) -> list[str]:
        """Names, as people read them, of the characters that were taught, the last one last."""
        return [self.site.task.display_name(label) for _, label in self.before]

    def check(self, name: str) -> str:
        """Checks the name of a character to teach, and returns its label as `handwriting.labels.canonical` spells it.

        Args:
            name: What the user entered.

        Raises:
            HTTPException: The name is not allowed, the model knows the character, or too many were taught.
        """
        label = canonical(name)
        if not 0 < len(label) <= MAX_NAME or not label.isprintable() or not any(map(str.isalnum, label)):
            raise HTTPException(
                400,
                f"the name is not allowed; give 1 to {MAX_NAME} printable characters with a letter or digit among them",
            )
        if label in self.site.record.classes:
            raise HTTPException(
                409, f"the model already reads {self.site.task.display_name(label)}; teach one that it does not know"
            )
        if len(self.before) >= MAX_TAUGHT:
            raise HTTPException(
                409,
                f"{MAX_TAUGHT} characters were taught, and more are not allowed; take one back, or restart the server",
            )
        return label

    async def teach(self, label: str, drawings: Path) -> Answering:
        """Teaches a character and makes the new run answer.

        Args:
            label: A label that `check` returned.
            drawings: Folder with pictures of the character.

        Returns:
            The new model, with notes about it.

        Raises:
            HTTPException: The character cannot be taught.
        """
        out = self.site.runs.resolve() / FOLDER / self._folder_name(label)
        try:
            notes = await self.pool.call("teach", self.site.run, label, drawings, out)
        except WorkFailed as error:
            await asyncio.to_thread(shutil.rmtree, out, ignore_errors=True)  # left by a killed process
            raise HTTPException(400, f"not taught: {error}") from None
        self.before.append((self.site.run, label))
        self._answer_with(out)
        return Answering(model=out.name, taught=self.display_names, notes=notes)

    async def take_back(self) -> Answering:
        """Makes the previous run answer again, and deletes the run that was taught last.

        Returns:
            The previous model, without notes.

        Raises:
            HTTPException: No character was taught, or the previous run cannot be read.
        """
        if not self.before:
            raise HTTPException(404, "no character was taught here, so none can be taken back")
        taught, (run, _) = self.site.run, self.before[-1]
        try:
            self._answer_with(run)
        except RunError:
            raise HTTPException(409, "not taken back: the previous model can no longer be read") from None
        self.before.pop()
        await asyncio.to_thread(shutil.rmtree, taught, ignore_errors=True)
        return Answering(model=run.name, taught=self.display_names, notes=[])

    def _answer_with(self, run: Path) -> None:
        self.site.answer_with(run)
        self.renew(run)

    def _folder_name(self, label: str) -> str:
        first = self.before[0][0] if self.before else self.site.run
        plain, when = re.sub(r"\W", "-", label), datetime.now(UTC)
        return f"{first.name[:MAX_STEM]}-taught-{len(self.before) + 1}-{plain}-{when:%Y%m%d-%H%M%S-%f}"


def teaching_routes(site: Site, renew: Callable[[Path], None]) -> tuple[APIRouter, WorkerPool]:
    """Makes the routes for teaching, and the pool of their process.

    Args:
        site: State of the server, with the model that answers.
        renew: Makes the server's workers answer with another run.

    Returns:
        The routes of page and API, and the pool, which the caller ends with the server.
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
            taught=lessons.display_names,
            first=(lessons.before[0][0] if lessons.before else lessons.site.run).name,
            fewest=MIN_DRAWINGS,
            most=MAX_DRAWINGS,
        )

    return router


def _routes(lessons: Lessons) -> APIRouter:
    router = APIRouter(prefix="/api/characters", tags=["characters"])

    @router.post("", status_code=201, openapi_extra=FORM_BODY, responses=faults(400, 408, 409, 413, 415, 501, 503))
    async def teach(request: Request) -> Answering:
        """Teaches a character from at least five drawings, sent as a form: `name`, and parts named `files`.

        The model that knows the character answers from then on. It has no certified error rate; drawings are deleted.
        """
        if find_spec("torch") is None:
            raise HTTPException(501, missing("teaching", "torch"))
        return await _alone(lessons, lambda: _taught(lessons, request))

    @router.delete("", responses=faults(404, 409))
    async def take_back() -> Answering:
        """Takes back the character that was taught last: the previous model answers again."""
        return await _alone(lessons, lessons.take_back)

    return router


async def _alone(lessons: Lessons, work: Callable[[], Any]) -> Answering:
    if lessons.busy:
        raise HTTPException(409, "another character is being taught now; try again when that is done")
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
                400, f"{count} drawings were sent; send {MIN_DRAWINGS} to {MAX_DRAWINGS} drawings of one character"
            )
        return await lessons.teach(label, held.files)
    except RequestRefused as error:
        raise HTTPException(error.status, str(error)) from None
    finally:
        store.delete(held)
