"""The web application of medtl: scans with slices and answers, DICOM results, and the worklist of `medtl listen`."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse, HTMLResponse, StreamingResponse
from pydantic import BaseModel

from medtl.node.worklist import Worklist
from medtl.results.text import DECISIONS
from medtl.task import TASK
from medtl.web.explain import ExplainWork, map_facts, map_name
from medtl.web.shown import INPUTS, SLICES
from medtl.web.work import DICOM, VIEW, ScanWork, item_folder
from shared.errors import DataError
from shared.extras import missing
from shared.prediction.text import raw_suspicion
from shared.processes.worker import ITEM_CPU_S, WorkFailed
from shared.web.app import UploadStatus, build, faults
from shared.web.guard import Access, Guard
from shared.web.serving import JUDGING_S, worker_count
from shared.web.site import Site
from shared.web.uploads import StoreFull, Upload, UploadStore
from shared.web.workers import WorkerPool

GREY_BYTES = 2
Number = Annotated[int, InPath(ge=0, le=1_000_000)]
BINARY: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}}}
ZIP: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {}}}}
LINES: dict[int | str, dict[str, Any]] = {200: {"content": {"application/x-ndjson": {}}}}


class MapFacts(BaseModel):
    """Facts about the attribution map of one slice.

    Attributes:
        label: Class whose score the map explains.
        method: Name of the attribution method.
        status: Status of the answer.
        believable: Whether the map passed its checks.
        faults: The failed checks, in words.
    """

    label: str
    method: str
    status: str
    believable: bool
    faults: list[str]


def build_app(
    run: Path, runs: Path, access: Access, store: UploadStore, spool: Path | None, *, chosen_among: int = 1
) -> Guard:
    """Builds the web application of `medtl serve`.

    Args:
        run: Folder of the finished run that answers.
        runs: Folder of the runs that are listed.
        access: Rules of admission.
        store: Stores the uploads.
        spool: Spool of `medtl listen`; None: no worklist.
        chosen_among: Number of models among which the run was chosen on its validation.

    Returns:
        The ASGI application, behind its rules of admission.
    """
    work = ScanWork(TASK, run, threads=1, chosen_among=chosen_among)
    explaining = ExplainWork(TASK, run, threads=worker_count(), chosen_among=chosen_among)
    pool = WorkerPool(work, worker_count(), JUDGING_S, ITEM_CPU_S)
    explainers = WorkerPool(explaining, 1, JUDGING_S) if find_spec("torch") else None
    links = (("/worklist", "Worklist"),) if spool else ()
    extra_pools = (explainers,) if explainers else ()
    site = Site(TASK, run, runs, access, store, pool, links, extra_pools, chosen_among)
    router = APIRouter()
    router.include_router(_scans(site))
    router.include_router(_explanations(site, explainers))
    if spool is not None:
        router.include_router(_worklist(site, Worklist(spool)))

    def context(request: Request, upload: Upload, answers: list[dict[str, Any]]) -> dict[str, Any]:
        return _shown(request, upload, answers) | {"can_explain": explainers is not None}

    return build(site, router, context)


def _shown(request: Request, upload: Upload, answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Computes the variables of the page of results: one item of the upload, and the list of all."""
    item = request.query_params.get("item", "")
    index = int(item) if item.isdecimal() and int(item) < len(answers) else _first(answers)
    answer = answers[index]
    view = json.loads((item_folder(upload.results, index) / VIEW).read_bytes())
    slices = answer["slices"]
    ranked = sorted(slices, key=lambda one: -(one["tumour_probability"] or 0.0))
    return {
        "index": index,
        "answer": answer,
        "view": view,
        "decisions": DECISIONS,
        "start": ranked[0]["number"] if ranked else (view["slices"] + 1) // 2,
        "suspicious": [] if answer["decision"] == "negative" else [one["number"] for one in ranked[:3]],
        "raw_suspicion": raw_suspicion,
        "has_dicom_output": find_spec("highdicom") is not None,
    }


def _first(answers: list[dict[str, Any]]) -> int:
    """Returns the index of the item to show first: one that was assessed, where there is one."""
    return next((index for index, answer in enumerate(answers) if answer["status"] == "assessed"), 0)


def _scans(site: Site) -> APIRouter:
    router = APIRouter(prefix="/api/uploads/{name}/items/{index}", tags=["scans"])

    def item_of(name: str, index: int) -> tuple[Upload, Path, dict[str, Any]]:
        upload = site.finished_upload(name)
        folder = item_folder(upload.results, index)
        if not (folder / VIEW).is_file():
            raise HTTPException(404, "the upload has no such item")
        return upload, folder, json.loads((folder / VIEW).read_bytes())

    @router.get("/slices/{number}", response_class=Response, responses=BINARY | faults(404, 409))
    def one_slice(name: str, index: Number, number: Number) -> Response:
        """Returns one slice, numbered from 1: rows x columns grey values of 16 bits, little endian."""
        _, folder, view = item_of(name, index)
        if not 1 <= number <= view["slices"]:
            raise HTTPException(404, "the item has no such slice")
        return _part(folder / SLICES, number, view["rows"] * view["columns"] * GREY_BYTES)

    @router.get("/inputs/{number}", response_class=Response, responses=BINARY | faults(404, 409))
    def one_input(name: str, index: Number, number: Number) -> Response:
        """Returns what the network saw of a slice, numbered from 1: size x size grey values of 8 bits."""
        _, folder, view = item_of(name, index)
        if "input_size" not in view or not 1 <= number <= view["slices"]:
            raise HTTPException(404, "the item has no such slice that was judged")
        return _part(folder / INPUTS, number, view["input_size"] ** 2)

    @router.get("/maps/{number}", response_class=Response, responses=BINARY | faults(404, 409))
    def one_map(name: str, index: Number, number: Number) -> Response:
        """Returns the attribution map of an explained slice: rows x columns signed bytes, -127 to 127."""
        _, folder, _ = item_of(name, index)
        if map_facts(folder, number) is None:
            raise HTTPException(404, "this slice was not explained")
        return Response((folder / map_name(number)).read_bytes(), media_type="application/octet-stream")

    @router.get("/dicom.zip", response_class=Response, responses=ZIP | faults(404, 409, 501))
    async def dicom(name: str, index: Number) -> Response:
        """Returns the answer as DICOM objects: a structured report, and pictures of the most suspicious slices."""
        upload, folder, _ = await asyncio.to_thread(item_of, name, index)
        if find_spec("highdicom") is None:
            raise HTTPException(501, missing("DICOM output", "highdicom"))
        if not (folder / DICOM).is_file():
            try:
                await site.call(site.pool, "dicom", upload, index)
            except WorkFailed as error:
                raise HTTPException(409, f"no DICOM objects: {error}") from None
        return FileResponse(folder / DICOM, media_type="application/zip", filename="medtl-results.zip")

    return router


def _part(path: Path, number: int, size: int) -> Response:
    """Returns one of the parts of `size` bytes that a file consists of, numbered from 1."""
    with path.open("rb") as stream:
        data = os.pread(stream.fileno(), size, (number - 1) * size)
    return Response(data, media_type="application/octet-stream")


def _explanations(site: Site, explainers: WorkerPool | None) -> APIRouter:
    router = APIRouter(prefix="/api/uploads/{name}/items/{index}/slices/{number}/explanation", tags=["explanations"])

    @router.get("", responses=faults(404, 409))
    def facts(name: str, index: Number, number: Number) -> MapFacts:
        """Returns the facts about the attribution map of an explained slice."""
        upload = site.finished_upload(name)
        found = map_facts(item_folder(upload.results, index), number)
        if found is None:
            raise HTTPException(404, "this slice was not explained")
        return MapFacts(**found)

    @router.post("", response_class=StreamingResponse, responses=LINES | faults(404, 409, 501))
    async def explain(name: str, index: Number, number: Number) -> StreamingResponse:
        """Explains one slice: streams lines of JSON, `progress` in words, at the end `result` or `fault`."""
        upload = site.finished_upload(name)
        folder = item_folder(upload.results, index)
        if not (folder / SLICES).is_file():
            raise HTTPException(404, "the upload has no such item, or the item has no slice to explain")
        if explainers is None:
            raise HTTPException(501, missing("explaining", "torch"))
        return StreamingResponse(_lines(site, explainers, upload, index, number), media_type="application/x-ndjson")

    return router


async def _lines(site: Site, explainers: WorkerPool, upload: Upload, index: int, number: int) -> AsyncIterator[str]:
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any]]()

    def show(words: str) -> None:
        loop.call_soon_threadsafe(lines.put_nowait, {"progress": words})

    async def work() -> None:
        last: dict[str, Any] = {"fault": "ended early; try again"}  # the stream ends, whatever happens
        try:
            last = {"result": await site.call(explainers, "explain", upload, index, number, progress=show)}
        except WorkFailed as error:
            last = {"fault": str(error)}
        finally:
            loop.call_soon(lines.put_nowait, last)  # after all progress

    site.start(work())
    yield json.dumps({"progress": "waiting for the explaining process"}) + "\n"
    while True:
        line = await lines.get()
        yield json.dumps(line) + "\n"
        if "progress" not in line:
            return


def _worklist(site: Site, worklist: Worklist) -> APIRouter:
    router = APIRouter()

    @router.get("/worklist", include_in_schema=False)
    def page(request: Request) -> HTMLResponse:
        return site.page(request, "worklist.html", entries=worklist.entries())

    @router.post("/api/worklist/{series}", status_code=202, tags=["worklist"], responses=faults(409, 503))
    async def open_series(series: str) -> UploadStatus:
        """Copies the images of a received series from the spool into an upload, and judges it."""
        try:
            upload = site.store.new()
            await asyncio.to_thread(worklist.copy_instances, series, upload.files / "series")
        except StoreFull as error:
            raise HTTPException(503, str(error)) from None
        except DataError as error:
            site.store.delete(upload)
            raise HTTPException(409, str(error)) from None
        site.start_judging(upload)
        return UploadStatus.from_upload(upload)

    return router
