"""The state of one server that all pages and routes share: application, run, uploads, workers and templates."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from shared.processes.worker import Report, WorkFailed
from shared.runs.certificate import restated
from shared.runs.provenance import Provenance
from shared.runs.record import ModelRecord, read_model_record
from shared.runs.verdict import read_verdict
from shared.task import Task
from shared.web.guard import Access
from shared.web.uploads import Upload, UploadStore
from shared.web.workers import WorkerPool


@dataclass
class Site:
    """The state of one server.

    Attributes:
        task: The application.
        run: Folder of the finished run that answers; see `answer_with`.
        runs: Folder of the runs that are listed.
        access: Rules of admission.
        store: The uploads.
        pool: Workers whose work has a method `judge(files, results, kind, report)`.
        links: Further pages of the application, each (address, title).
        extra_pools: Workers for other work; they end with the server.
        chosen_among: Number of models among which the run was chosen on its validation.
        record: Record of the model that answers, with its certificate restated for `chosen_among`.
        verdict: What that model is fit for, in up to three lines.
        provenance: When and on what that model was trained.
    """

    task: Task
    run: Path
    runs: Path
    access: Access
    store: UploadStore
    pool: WorkerPool
    links: tuple[tuple[str, str], ...] = ()
    extra_pools: tuple[WorkerPool, ...] = ()
    chosen_among: int = 1
    record: ModelRecord = field(init=False)
    verdict: tuple[str, ...] = field(init=False)
    provenance: Provenance = field(init=False)
    _templates: Environment = field(init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.answer_with(self.run)
        self._templates = Environment(
            loader=ChoiceLoader([PackageLoader(f"{self.task.name}.web"), PackageLoader("shared.web")]),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def answer_with(self, run: Path) -> None:
        """Makes another run the one that pages show; the caller renews the workers.

        Args:
            run: Folder of a finished run.

        Raises:
            RunError: The folder is no finished run.
        """
        record = restated(read_model_record(run), self.chosen_among)
        self.provenance, self.verdict = Provenance.of(run, record), read_verdict(run, record).lines
        self.record, self.run = record, run

    def close(self) -> None:
        """Ends all processes and deletes all uploads."""
        for pool in (self.pool, *self.extra_pools):
            pool.close()
        self.store.close()

    def page(self, request: Request, template: str, status: int = 200, **variables: Any) -> HTMLResponse:
        """Renders a page.

        Args:
            request: The request; its path marks the present page.
            template: File name of the template.
            status: HTTP status of the response.
            variables: Variables of the template, in addition to those of every page; they win over these.
        """
        common: Mapping[str, Any] = {
            "task": self.task,
            "model": self.run.name,
            "record": self.record,
            "fit_for": self.verdict,
            "provenance": self.provenance,
            "csrf": self.access.csrf,
            "links": (("/", "New"), *self.links, ("/runs", "Runs"), ("/docs", "For programs")),
            "here": request.url.path,
            "keep_minutes": self.store.keep_s / 60,
        }
        return HTMLResponse(self._templates.get_template(template).render({**common, **variables}), status)

    def upload(self, name: str) -> Upload:
        """Returns an upload.

        Args:
            name: The upload's random name, as in addresses.

        Raises:
            HTTPException: 404 where there is none.
        """
        upload = self.store.get(name)
        if upload is None:
            raise HTTPException(404, "there is no such upload, or it was deleted")
        return upload

    def finished_upload(self, name: str) -> Upload:
        """Returns an upload that was judged.

        Args:
            name: The upload's random name, as in addresses.

        Raises:
            HTTPException: 404 where there is none, 409 where it is not judged.
        """
        upload = self.upload(name)
        if upload.state != "done":
            raise HTTPException(409, "the upload is not judged yet, or judging it failed")
        return upload

    def start_judging(self, upload: Upload) -> None:
        """Queues an upload for the next free worker."""
        upload.state = "waiting"
        self.start(self._judge(upload))

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts a coroutine in the background; no request waits for it.

        Args:
            work: The coroutine; its result is dropped.
        """
        task = asyncio.create_task(work)
        self._tasks.add(task)  # asyncio itself keeps no reference to it
        task.add_done_callback(self._tasks.discard)

    async def _judge(self, upload: Upload) -> None:
        def show(done: str) -> None:
            upload.state, upload.done = "running", done

        try:
            await self.call(self.pool, "judge", upload, upload.kind, progress=show)
        except WorkFailed as error:
            if not upload.finished.is_set():  # it was not deleted meanwhile
                upload.finish(str(error))
        else:
            upload.finish()

    async def call(
        self, pool: WorkerPool, method: str, upload: Upload, *arguments: Any, progress: Report = lambda *_: None
    ) -> Any:
        """Calls a method of the workers for an upload; where the upload is deleted, the process ends.

        Args:
            pool: The workers.
            method: Name of the method; it takes the folders of files and results before the other arguments.
            upload: The upload.
            arguments: Its further arguments.
            progress: Receives what the method reports; called from another thread.

        Returns:
            What the method returned.

        Raises:
            WorkFailed: The method failed, or the upload was deleted.
        """
        call = asyncio.ensure_future(pool.call(method, upload.files, upload.results, *arguments, progress=progress))
        upload.calls.add(call)
        call.add_done_callback(upload.calls.discard)
        await asyncio.wait([call])
        if call.cancelled():
            raise WorkFailed("was deleted")
        return call.result()

    async def wait(self, upload: Upload, seconds: float) -> None:
        """Waits until an upload is judged or has failed, or until the time is over.

        Args:
            upload: The upload.
            seconds: Longest time to wait.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await upload.finished.wait()
