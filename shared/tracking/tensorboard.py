"""TensorBoard: scalars in `tensorboard/` of the run folder, shown by `tensorboard --logdir runs`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from shared.tracking.base import TrackedRun

FOLDER = "tensorboard"
VERSION = "brain.Event:2"
"""The first event of every file names its format."""


class EventFile:
    """Writes scalars into a new file of events.

    Args:
        folder: The folder; it is made where it is missing. Its files are read in the order of their names.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard's own writers put the name of the machine and a process id here
        name = f"events.out.tfevents.{time.time_ns():020d}"
        self._records = RecordWriter((folder / name).open("xb"))
        self._write(Event(wall_time=time.time(), file_version=VERSION))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records values of one step; see `Tracker.log`."""
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=scalars)))

    def close(self, *, finished: bool) -> None:
        """Closes the file."""
        self._records.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
        self._records.flush()


def open_run(run: TrackedRun) -> EventFile:
    """Begins a file of events in the run folder; a run that resumes gets a further one."""
    return EventFile(run.folder / FOLDER)
