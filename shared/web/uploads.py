"""Stores uploads until they expire, in private folders with random names, bounded in number and size.

    ROOT/<instance>/lock                 held while that server lives; any command deletes the uploads of a dead one
    ROOT/<instance>/<upload>/files/      the uploaded files under their own names
    ROOT/<instance>/<upload>/results/    the results

Names are random with 128 bits: nobody can guess one, and they identify nobody.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from shared.errors import MedtlError
from shared.io.private_folders import NAME_BYTES, claim_folder, folders_in, uploads_root

MAX_UPLOADS = 500
MAX_STORE_BYTES = 16 << 30
"""Largest size of all uploads and their results; more would fill a small disk."""
SWEEP_S = 5.0
"""Seconds between two searches for expired uploads."""

State = Literal["receiving", "waiting", "running", "done", "failed"]


class StoreFull(MedtlError):
    """The store takes no more uploads until some are deleted."""


@dataclass
class Upload:
    """The files that a user sent at one time.

    Attributes:
        name: Random name, used in addresses.
        folder: Folder of `files` and `results`.
        kind: Kind that the user stated, one of the application's `kinds`; "" where there is one kind.
        deleted_at: Time of deletion in the seconds of `time.monotonic`.
        state: Present state.
        reason: Reason of a failure, one line without identifiers.
        done: Progress in words.
        bytes: Size on disk, known when it is finished.
        finished: Set when the state is `done` or `failed`.
        calls: Calls of workers for this upload; deleting it cancels them.
    """

    name: str
    folder: Path
    kind: str
    deleted_at: float
    state: State = "receiving"
    reason: str | None = None
    done: str = ""
    bytes: int = 0
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    calls: set[asyncio.Future[Any]] = field(default_factory=set)

    @property
    def files(self) -> Path:
        """Folder of the uploaded files."""
        return self.folder / "files"

    @property
    def results(self) -> Path:
        """Folder of the results."""
        return self.folder / "results"

    @property
    def left_s(self) -> float:
        """Seconds from now until the upload is deleted; never below 0."""
        return max(0.0, self.deleted_at - time.monotonic())

    def finish(self, reason: str | None = None) -> None:
        """Marks the upload as finished, and measures its size on disk.

        Args:
            reason: Reason of a failure, one line without identifiers, for the state `failed`; None: the state is
                `done`.
        """
        self.state, self.reason = ("done" if reason is None else "failed"), reason
        self.bytes = folder_bytes(self.folder)
        self.finished.set()


class UploadStore:
    """The uploads of one server.

    Args:
        keep_s: Seconds after which each upload is deleted.
        root: Folder for the uploads of all servers of this user; None: one in the folder of temporary files.

    Raises:
        UsageError: The folder can be read by other users.
    """

    def __init__(self, keep_s: float, root: Path | None = None) -> None:
        self.keep_s = keep_s
        self.folder, self._lock = claim_folder(root or uploads_root())
        self._uploads: dict[str, Upload] = {}

    def new(self, kind: str = "") -> Upload:
        """Adds an upload without files, and makes its folders.

        Args:
            kind: Kind that the user stated; "" where the application has one kind.

        Raises:
            StoreFull: The store holds `MAX_UPLOADS` uploads.
        """
        if len(self._uploads) >= MAX_UPLOADS:
            raise StoreFull(f"{MAX_UPLOADS} uploads are held; delete some, or wait until they are deleted")
        name = secrets.token_urlsafe(NAME_BYTES)
        upload = Upload(name, self.folder / name, kind, time.monotonic() + self.keep_s)
        for folder in (upload.folder, upload.files, upload.results):
            folder.mkdir(mode=0o700)
        self._uploads[name] = upload
        return upload

    def get(self, name: str) -> Upload | None:
        """Returns an upload; None where there is none, or it was deleted.

        Args:
            name: The upload's random name, as in addresses.
        """
        return self._uploads.get(name)

    @property
    def free_bytes(self) -> int:
        """Bytes that finished uploads leave free, of the most that the store may hold."""
        return MAX_STORE_BYTES - sum(upload.bytes for upload in self._uploads.values())

    def delete(self, upload: Upload) -> None:
        """Deletes an upload and its results, and ends the processes that work on it."""
        self.forget(upload)
        shutil.rmtree(upload.folder, ignore_errors=True)

    def forget(self, upload: Upload) -> None:
        """Takes an upload out of the store and ends the processes that work on it; the caller deletes its folder."""
        self._uploads.pop(upload.name, None)
        for call in [*upload.calls]:
            call.cancel()
        if not upload.finished.is_set():
            upload.state, upload.reason = "failed", "was deleted"
            upload.finished.set()

    def sweep(self) -> None:
        """Deletes expired uploads."""
        for upload in [one for one in self._uploads.values() if one.left_s <= 0]:
            self.delete(upload)
        # a worker may have written a file before its process ended
        for leftover in folders_in(self.folder):
            if leftover.name not in self._uploads:
                shutil.rmtree(leftover, ignore_errors=True)

    async def sweep_forever(self) -> None:
        """Deletes expired uploads until the task is cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep()

    def close(self) -> None:
        """Deletes all uploads."""
        self._uploads.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)


def folder_bytes(folder: Path) -> int:
    """Returns the bytes of all files below a folder; 0 where it is missing."""
    total = 0
    with suppress(OSError):  # it may be deleted meanwhile
        total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return total
