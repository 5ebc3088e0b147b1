"""Writes the checkpoints of a training on a thread, while training goes on."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.training.checkpoint import Checkpoint


class CheckpointWriter:
    """Writes one checkpoint after the other into one file; a context manager that awaits the last.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._thread.shutdown()
        if error is None:
            self.wait()

    def write(self, checkpoint: Checkpoint) -> None:
        """Begins to write a copy of a checkpoint, once the one before is written.

        Args:
            checkpoint: The checkpoint; training may go on when this returns.

        Raises:
            OSError: The system refused to write the one before.
        """
        self.wait()
        self._last = self._thread.submit(checkpoint.snapshot().write, self._path)

    def raise_failure(self) -> None:
        """Raises the error of the last checkpoint where it could not be written; does not wait for it.

        Raises:
            OSError: The system refused to write it.
        """
        if self._last is not None and self._last.done():
            self.wait()

    def wait(self) -> None:
        """Waits until the last checkpoint is written.

        Raises:
            OSError: The system refused to write it.
        """
        last, self._last = self._last, None
        if last is not None:
            last.result()
