"""A site for measurements of the node: `medtl listen` and `medtl serve`, senders of phantom series, and an archive."""

from __future__ import annotations

import copy
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import MRImageStorage

from medtl.phantom.dataset import write_phantom

TOKEN = "0123456789abcdef-for-a-benchmark"
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
COMMAND = "from medtl.cli import main; main()"


def free_port() -> int:
    """Returns a port of loopback where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(words: Sequence[str], ready: str, log: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Runs a command of medtl while the body runs; yields its process and the line that begins with `ready`."""
    environment = {**os.environ, "MEDTL_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"}
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words], stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
    try:
        line = next((line for line in process.stdout or () if line.startswith(ready)), None)
        if line is None:
            raise RuntimeError(f"it ended: {log.read_text()}")
        yield process, line
    finally:
        process.terminate()
        process.wait()


@contextmanager
def node(spool: Path, port: int, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Runs `medtl listen` on a port; its log lies beside the spool."""
    command = ["-v", "listen", "--spool", str(spool), "--port", str(port), *words]
    with running(command, "listening", spool.with_suffix(".log")) as (process, _):
        yield process


@dataclass
class Archive:
    """A target that counts what it takes, and keeps nothing else.

    Attributes:
        port: Its TCP port.
        taken: Number of deliveries by SOP Instance UID and Patient ID.
    """

    port: int = field(default_factory=free_port)
    taken: dict[tuple[str, str], int] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def patients(self) -> set[str]:
        """Patients of whom something was taken."""
        with self._guard:
            return {patient for _, patient in self.taken}

    @contextmanager
    def running(self) -> Iterator[Archive]:
        """Takes objects while the body runs."""
        entity = AE(ae_title="ARCHIVE")
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax, ExplicitVRLittleEndian)
        server: Any = entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._take)]
        )
        try:
            yield self
        finally:
            server.shutdown()

    def _take(self, event: Any) -> int:
        name = str(event.dataset.SOPInstanceUID), str(event.dataset.PatientID)
        with self._guard:
            self.taken[name] = self.taken.get(name, 0) + 1
        return 0


def phantom_series(slices: int) -> list[Dataset]:
    """Makes the slices of one phantom series, axial, 5 mm thick."""
    with tempfile.TemporaryDirectory() as folder:
        write_phantom(Path(folder) / "data", patients=1, scanners=("atlas",), slices=slices, healthy_share=0.0)
        return [pydicom.dcmread(path) for path in sorted((Path(folder) / "data").rglob("*.dcm"))]


def renamed(series: Sequence[Dataset], number: int) -> list[Dataset]:
    """Copies a series as that of another patient: with another Patient ID, and UIDs of its own."""
    copies = copy.deepcopy(list(series))
    for one in copies:
        one.PatientID = one.PatientName = f"MADE-{number:06d}"
        for keyword in UIDS:
            setattr(one, keyword, pydicom.uid.generate_uid(entropy_srcs=[str(one[keyword].value), str(number)]))
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    return copies


def send(port: int, series: Sequence[Dataset], address: str = "127.0.0.1") -> str:
    """Sends a series over one association from an address; returns why it was not acknowledged, "" where it was."""
    entity = AE(ae_title="SENDER")
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
    entity.add_requested_context(MRImageStorage, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, bind_address=(address, 0))
    if not association.is_established:
        return "rejected" if association.is_rejected else "no association"
    try:
        for one in series:
            status = association.send_c_store(one).get("Status")
            if status != 0:
                return "no answer" if status is None else f"status 0x{status:04X}"
    except (RuntimeError, ValueError):  # pynetdicom raises them where the association was lost
        return "the association was lost"
    finally:
        if association.is_established:
            association.release()
    return ""
