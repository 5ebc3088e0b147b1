"""Writes files and folders so that they survive a crash or a power cut.

Data is durable once the file is synced, a name once its folder is (fsync(2), open(2)). Only the owner can read what is
written here.
"""

from __future__ import annotations

import os
from pathlib import Path


def write_durably(path: Path, data: bytes) -> None:
    """Writes a new file and waits until the disk holds its bytes; its name is durable when its folder is synced.

    Args:
        path: The file to make, readable by the user alone.
        data: Its bytes.

    Raises:
        FileExistsError: The file exists.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def sync_folder(path: Path) -> None:
    """Waits until the disk holds the names in a folder."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def mkdir_durably(path: Path) -> None:
    """Makes a folder whose parent exists, and waits until the disk holds its name."""
    path.mkdir(mode=0o700, exist_ok=True)
    # Also when it exists: the process that made it may have been stopped before it was synced.
    sync_folder(path.parent)


def rename_durably(source: Path, target: Path) -> None:
    """Renames a file or folder in one step, and waits until the disk holds the new name."""
    source.rename(target)
    sync_folder(target.parent)
