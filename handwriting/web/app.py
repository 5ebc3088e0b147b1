"""The web application of handwriting: a canvas that is read while the user writes, and uploaded pictures and pages."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from handwriting.task import TASK
from handwriting.web.teach import teaching_routes
from handwriting.web.work import KINDS, SIZES, CharacterWork, picture_name
from shared.processes.worker import ITEM_CPU_S, WorkFailed
from shared.web.app import build, faults
from shared.web.guard import Access, Guard
from shared.web.serving import JUDGING_S, worker_count
from shared.web.site import Site
from shared.web.uploads import Upload, UploadStore
from shared.web.workers import WorkerPool

MAX_DRAWING_BYTES = 1 << 18
"""256 KiB: a canvas of 280 x 280 takes 10."""
DRAWING_S = 20.0
"""Seconds for one drawing, with the start of a worker; judging takes milliseconds."""
LINKS = (("/teach", "Teach"),)
Number = Annotated[int, InPath(ge=0, le=1_000_000)]
PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}
DRAWING_BODY = {
    "requestBody": {
        "required": True,
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def build_app(run: Path, runs: Path, access: Access, store: UploadStore, *, chosen_among: int = 1) -> Guard:
    """Builds the web application of `handwriting serve`.

    Args:
        run: Folder of the finished run that answers.
        runs: Folder of the runs that are listed.
        access: Rules of admission.
        store: Stores the uploads.
        chosen_among: Number of models among which the run was chosen on its validation.

    Returns:
        The ASGI application, behind its rules of admission.
    """
    work = CharacterWork(TASK, run, threads=1, chosen_among=chosen_among)
    # A page takes seconds: a drawing must not wait for it.
    drawings = WorkerPool(work, 1, DRAWING_S)
    pool = WorkerPool(work, max(1, worker_count() - 1), JUDGING_S, ITEM_CPU_S)
    site = Site(TASK, run, runs, access, store, pool, LINKS, (drawings,), chosen_among)

    def renew(other: Path) -> None:
        for one in (drawings, pool):
            one.renew(replace(work, run=other))

    lessons, learner = teaching_routes(site, renew)
    site.extra_pools += (learner,)
    router = APIRouter()
    router.include_router(lessons)
    router.include_router(_drawings(drawings))
    router.include_router(_pictures(site))
    return build(site, router, _shown, kinds=KINDS)


def _shown(request: Request, upload: Upload, answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Computes which answers have a picture, and the sizes of straightened pages, for the page of results."""
    sizes = upload.results / SIZES
    return {
        "pictures": [(upload.results / picture_name(index)).is_file() for index in range(len(answers))],
        "sizes": json.loads(sizes.read_bytes()) if sizes.is_file() else [],
    }


def _drawings(drawings: WorkerPool) -> APIRouter:
    router = APIRouter(tags=["drawings"])

    @router.post("/api/drawings", openapi_extra=DRAWING_BODY, responses=faults(400, 413))
    async def judge(request: Request) -> dict[str, Any]:
        """Judges the picture of one character (PNG, JPEG, BMP, TIFF, WebP), which is not stored."""
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_DRAWING_BYTES:
                raise HTTPException(
                    413, f"the drawing is larger than {MAX_DRAWING_BYTES >> 10} KiB; send it as an upload"
                )
        try:
            found: dict[str, Any] = await drawings.call("drawing", bytes(data))
        except WorkFailed as error:
            raise HTTPException(400, f"the drawing {error}") from None
        return found

    return router


def _pictures(site: Site) -> APIRouter:
    router = APIRouter(tags=["pictures"])

    @router.get(
        "/api/uploads/{name}/items/{index}/picture.png", response_class=Response, responses=PICTURE | faults(404, 409)
    )
    def picture(name: str, index: Number) -> FileResponse:
        """Returns a straightened page, or the picture of a character."""
        path = site.finished_upload(name).results / picture_name(index)
        if not path.is_file():
            raise HTTPException(404, "there is no such picture")
        return FileResponse(path, media_type="image/png")

    return router
