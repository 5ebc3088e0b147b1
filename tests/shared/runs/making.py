"""Run folders made by hand, in no time: their networks cannot answer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from shared.io.atomic import write_json
from shared.runs.folder import MODEL_FILES, finish
from shared.runs.record import ModelRecord


def make_run(folder: Path, record: ModelRecord, *, finished: str = "", **changes: Any) -> Path:
    """A finished run with a changed record; its weights hash is its name unless stated."""
    made = replace(record, **({"weights_hash": folder.name} | changes))
    folder.mkdir(parents=True)
    for name in MODEL_FILES:
        (folder / name).write_text(folder.name)
    (folder / "config.yaml").touch()
    write_json(folder / "model.json", made.to_json())
    write_json(folder / "report.json", {"summary": []})
    finish(folder, made.task)
    if finished:
        done = json.loads((folder / "done").read_text())
        write_json(folder / "done", {**done, "finished": finished})
    return folder


def cut(path: Path) -> None:
    """Breaks a file off, as a copy that was interrupted does."""
    path.write_bytes(path.read_bytes()[:20])
