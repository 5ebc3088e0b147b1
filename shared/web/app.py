"""Builds the web application that both packages share: uploads, answers, runs, and the API description."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException as StarletteHTTPException

from shared.web.guard import REPORT_POLICY, Guard
from shared.web.openapi import form_of_files, list_operations
from shared.web.receiving import MAX_BYTES, RequestRefused, receive
from shared.web.runs import REPORT, RunEntry, compare_runs, find_runs
from shared.web.site import Site
from shared.web.upload_work import ANSWERS
from shared.web.uploads import StoreFull, Upload

MAX_WAIT_S = 30.0
ResultContext = Callable[[Request, Upload, list[dict[str, Any]]], dict[str, Any]]
"""Computes the variables that an application's `upload.html` needs beyond the answers."""
FORM_BODY = form_of_files(1)


class Fault(BaseModel):
    """The reason for which a request was refused."""

    detail: str


class UploadStatus(BaseModel):
    """State of an upload, and its answers.

    Attributes:
        id: Random identifier of the upload.
        state: `waiting`, `running`, `done` or `failed`.
        done: Progress in words.
        reason: Reason of a failure.
        deleted_in_s: Seconds until the upload is deleted.
        answers: One answer for each item, as `predict --json` prints it; empty until the state is `done`.
    """

    model_config = ConfigDict(extra="forbid")
    id: str
    state: str
    done: str
    reason: str | None
    deleted_in_s: float
    answers: list[dict[str, Any]]

    @classmethod
    def from_upload(cls, upload: Upload) -> UploadStatus:
        """Makes the status of an upload as it is now.

        Args:
            upload: The upload; its answers are read from its folder once it is done.
        """
        return cls(
            id=upload.name,
            state=upload.state,
            done=upload.done,
            reason=upload.reason,
            deleted_in_s=round(upload.left_s, 1),
            answers=read_answers(upload),
        )


def faults(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns the refusals of a route for its API description, as FastAPI's argument `responses` takes them.

    Args:
        statuses: HTTP statuses of this route, in addition to 401, 403 and 421, which every route has.

    Returns:
        `{"model": Fault}` by status.
    """
    return {status: {"model": Fault} for status in (401, 403, 421, *statuses)}


def build(site: Site, router: APIRouter, context: ResultContext, kinds: Sequence[str] = ("",)) -> Guard:
    """Builds the web application of a site.

    Args:
        site: Run, uploads, workers and templates.
        router: Routes that only this application has.
        context: Called with (request, upload, answers); returns the further variables of the page of results.
        kinds: Kinds of uploads that a sender may state; the first one is the default.

    Returns:
        The ASGI application with its access rules; it closes the site when it ends.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(site.store.sweep_forever())
        try:
            yield
        finally:
            sweeping.cancel()
            site.close()

    app = FastAPI(title=site.task.title, version="1", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.include_router(_uploads(site, kinds))
    app.include_router(_pages(site, app, context))
    app.include_router(router)
    app.mount("/static/app", StaticFiles(packages=[(f"{site.task.name}.web", "static")]))
    app.mount("/static", StaticFiles(packages=[("shared.web", "static")]))

    @app.exception_handler(StarletteHTTPException)
    async def fault(request: Request, error: StarletteHTTPException) -> Response:
        if "text/html" in request.headers.get("accept", "") and request.method in ("GET", "HEAD"):
            return site.page(
                request, "fault.html", error.status_code, status_code=error.status_code, reason=error.detail
            )
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)

    return Guard(app, site.access, f"{site.task.name}_session")


def read_answers(upload: Upload) -> list[dict[str, Any]]:
    """Reads the answers of an upload, one for each item, as `predict --json` prints them; empty before it is done."""
    path = upload.results / ANSWERS
    found: list[dict[str, Any]] = json.loads(path.read_bytes()) if upload.state == "done" and path.exists() else []
    return found


def _uploads(site: Site, kinds: Sequence[str]) -> APIRouter:
    router = APIRouter(prefix="/api/uploads", tags=["uploads"])

    @router.post("", status_code=202, openapi_extra=FORM_BODY, responses=faults(400, 408, 413, 415, 503))
    async def send(request: Request) -> UploadStatus:
        """Sends files to be judged, as a form with parts named `files`; file names may contain folders."""
        most = min(MAX_BYTES, site.store.free_bytes)
        stated = request.headers.get("content-length", "")
        if stated.isdigit() and int(stated) > most:
            raise HTTPException(413, f"the upload is larger than {most >> 20} MiB")
        try:
            upload = site.store.new()
        except StoreFull as error:
            raise HTTPException(503, str(error)) from None
        try:
            chunks = aiter(request.stream())
            fields = await receive(chunks, request.headers.get("content-type", ""), upload.files, most)
            upload.kind = fields.get("kind", kinds[0])
            if upload.kind not in kinds:
                raise RequestRefused(f"`kind` must be one of {', '.join(kinds)}")
        except RequestRefused as error:
            site.store.delete(upload)
            raise HTTPException(error.status, str(error)) from None
        except BaseException:  # the sender has disconnected, or the disk is full
            site.store.delete(upload)
            raise
        site.start_judging(upload)
        return UploadStatus.from_upload(upload)

    @router.get("/{name}", responses=faults(404))
    async def status(name: str, wait: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 0) -> UploadStatus:
        """Returns the state of an upload; with `wait`, waits up to so many seconds until it is judged."""
        upload = site.upload(name)
        if wait:
            await site.wait(upload, wait)
        return UploadStatus.from_upload(upload)

    @router.delete("/{name}", status_code=204, responses=faults(404))
    async def delete(name: str) -> None:
        """Deletes an upload and its results now, and ends the work on it."""
        upload = site.upload(name)
        site.store.forget(upload)
        await asyncio.to_thread(shutil.rmtree, upload.folder, ignore_errors=True)

    return router


def _pages(site: Site, app: FastAPI, context: ResultContext) -> APIRouter:
    router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)

    def found_runs() -> dict[str, RunEntry]:
        return find_runs(site.runs, site.task.name, site.run)

    def run_of(name: str) -> RunEntry:
        entry = found_runs().get(name)
        if entry is None:
            raise HTTPException(404, "there is no such run")
        return entry

    @router.get("/")
    async def home(request: Request) -> HTMLResponse:
        return site.page(request, "home.html")

    @router.get("/uploads/{name}")
    def upload_page(request: Request, name: str) -> HTMLResponse:
        upload = site.upload(name)
        answers = read_answers(upload)
        variables = context(request, upload, answers) if upload.state == "done" else {}
        template = "upload.html" if upload.state == "done" else "waiting.html"
        return site.page(request, template, upload=upload, answers=answers, **variables)

    @router.get("/runs")
    def runs(request: Request) -> HTMLResponse:
        return site.page(request, "runs.html", runs=list(found_runs().values()))

    @router.get("/runs/compare")
    def compare(request: Request, run: Annotated[list[str], Query()]) -> HTMLResponse:
        if len(run) != 2:
            raise HTTPException(400, "choose two runs to compare")
        left, right = map(run_of, run)
        same_data = left.record.data_hash == right.record.data_hash
        rows = compare_runs(left, right)
        return site.page(request, "compare_runs.html", left=left, right=right, rows=rows, same_data=same_data)

    @router.get("/runs/{name}/report")
    def report(name: str) -> FileResponse:
        entry = run_of(name)
        if not entry.has_report:
            raise HTTPException(404, "this run has no report")
        return FileResponse(entry.folder / REPORT, headers={"content-security-policy": REPORT_POLICY})

    @router.get("/docs")
    async def docs(request: Request) -> HTMLResponse:
        return site.page(request, "docs.html", operations=list_operations(app.openapi()))

    return router
