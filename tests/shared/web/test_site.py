"""The state of a server: the certificate that its pages show, and the work on uploads."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from handwriting.task import TASK
from shared.runs.record import ModelRecord
from shared.web.guard import Access
from shared.web.site import Site
from shared.web.uploads import UploadStore
from shared.web.workers import WorkerPool
from tests.shared.runs.making import make_run
from tests.shared.runs.test_certificate import record_of


def test_pages_certify_for_all_models_among_which_the_run_was_chosen(tmp_path: Path, model_record: ModelRecord) -> None:
    run = make_run(tmp_path / "run", record_of(model_record, 5))
    access, nothing = Access("0" * 16, frozenset()), cast(Any, None)
    own, chosen = (Site(TASK, run, tmp_path, access, nothing, nothing, chosen_among=count) for count in (1, 40))
    certified = chosen.record.certified_sensitivity or 1.0
    assert certified < (own.record.certified_sensitivity or 0.0)
    assert "a choice among 40 models" in (chosen.record.operating_point or {})["statement"]
    assert chosen.verdict[1].startswith(f"sensitivity certified: {certified:.2f}")


@dataclass(frozen=True)
class Hanging:
    """Work on an upload that never ends."""

    def judge(self, files: Path, results: Path, kind: str, report: Callable[..., None]) -> None:
        (results / "number").write_text(str(os.getpid()), encoding="utf-8")
        report("reading")
        time.sleep(60)


def test_deleting_an_upload_ends_the_process_that_works_on_it(tmp_path: Path, model_record: ModelRecord) -> None:
    async def deleted() -> None:
        store, pool = UploadStore(60, tmp_path / "root"), WorkerPool(Hanging(), 1, 50)
        run = make_run(tmp_path / "run", record_of(model_record, 5))
        site = Site(TASK, run, tmp_path, Access("0" * 16, frozenset()), store, pool)
        upload = store.new()
        site.start_judging(upload)
        while upload.state != "running":
            await asyncio.sleep(0.05)
        process = int((upload.results / "number").read_text(encoding="utf-8"))
        store.delete(upload)
        while Path(f"/proc/{process}").exists():
            await asyncio.sleep(0.05)
        assert (upload.state, upload.reason) == ("failed", "was deleted")
        site.close()

    asyncio.run(asyncio.wait_for(deleted(), 40))
