"""A process of its own in which series are judged, so that whatever one series does to it, the listener goes on.

Decoders are native code and series come from strangers: a crash, a hang or a lack of memory ends the child alone, and
the next series gets a new one.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from medtl.node.spool import RESULT_SUFFIX
from shared.errors import MedtlError
from shared.io.durable import write_durably
from shared.processes.persistent import PersistentWorker

if TYPE_CHECKING:
    from pydicom import Dataset

Process = Callable[[Path], "Sequence[Dataset]"]
"""Judges a folder that holds one series and gives the result objects. It is pickled once, to be called in the child."""
TIMEOUT_S = 900.0
"""More than the longest series takes on a slow machine; what takes longer hangs."""


class SeriesFailed(MedtlError):
    """A series could not be judged; the message has no identifiers."""


class SeriesWorker:
    """Runs `process` in a child process, which is started when it is first needed and again when it was lost.

    Args:
        process: It must be picklable: a function or an object of an importable module.
        timeout_s: After which a series is given up.
    """

    def __init__(self, process: Process, timeout_s: float = TIMEOUT_S) -> None:
        self._process, self._timeout_s = process, timeout_s
        self._kept = PersistentWorker(_serve)

    def judge(self, folder: Path, out: Path) -> list[str]:
        """Judges the series in `folder` and writes its results into `out`, synced, in their order.

        Returns:
            The SOP Instance UIDs of the results.

        Raises:
            SeriesFailed: It cannot be judged, took too long, or ended the child.
        """
        pipe = self._kept.pipe(self._process)
        try:
            pipe.send((folder, out))
            if not pipe.poll(self._timeout_s):
                self.stop()
                raise SeriesFailed(f"took more than {self._timeout_s:g} s")
            uids, reason = pipe.recv()
        except (EOFError, OSError):
            raise SeriesFailed(f"ended the process that judged it ({self._kept.end()})") from None
        if reason is not None:
            raise SeriesFailed(reason)
        return list(uids)

    def stop(self) -> None:
        """Ends the child, also in the middle of a series."""
        self._kept.stop()


def _serve(pipe: Connection, process: Process) -> None:
    """The child: judges what comes through the pipe until its other end is closed."""
    # Ctrl-C reaches the whole group of processes; the parent decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # pydicom's warnings quote values, and native decoders print what they like; faults go through the pipe
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
    while True:
        try:
            folder, out = pipe.recv()
            pipe.send(_answer(process, folder, out))
        except (EOFError, OSError):
            return


def _answer(process: Process, folder: Path, out: Path) -> tuple[list[str], str | None]:
    try:
        uids = _write(process(folder), out)
        return uids, None if uids else "gave no result"
    except MedtlError as error:
        return [], str(error)
    # Whatever a decoder raises on damaged bytes: its message may quote the patient, its kind does not.
    except Exception as error:
        return [], f"cannot be judged ({type(error).__name__})"


def _write(results: Sequence[Dataset], out: Path) -> list[str]:
    for number, dataset in enumerate(results, start=1):
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        write_durably(out / f"{number:03d}{RESULT_SUFFIX}", stream.getvalue())
    return [str(dataset.SOPInstanceUID) for dataset in results]
