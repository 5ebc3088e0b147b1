"""Private folders of running programs, each locked while its program lives; those of killed programs are deleted."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared.errors import UsageError

NAME_BYTES = 16
LOCK = "lock"


def uploads_root() -> Path:
    """Returns the folder for the uploads of all servers of this user, whether it exists or not."""
    return Path(tempfile.gettempdir()) / f"medtl-serve-{os.getuid()}"


def claim_folder(root: Path) -> tuple[Path, int]:
    """Makes a private folder of this program, after deleting those of killed programs.

    Args:
        root: Folder of the folders of all programs; it is made where it is missing.

    Returns:
        The folder, with a random name, and the descriptor of its lock; whoever closes that gives the folder up.

    Raises:
        UsageError: `root` can be read by other users.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_private(root):
        raise UsageError(
            f"the folder {root} for uploads can be read by other users; delete it, or run: chmod 700 {root}"
        )
    with _alone_in(root, fcntl.LOCK_EX):
        _delete_dead(root)
        folder = root / secrets.token_hex(NAME_BYTES)
        folder.mkdir(mode=0o700)
        lock = os.open(folder / LOCK, os.O_WRONLY | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return folder, lock


def clear_dead(root: Path | None = None) -> None:
    """Deletes the folders of killed programs; does nothing where there are none, or another program does it.

    Args:
        root: Folder of the folders of all programs; None: `uploads_root()`.
    """
    with suppress(OSError):
        root = root or uploads_root()
        if _is_private(root):
            with _alone_in(root, fcntl.LOCK_EX | fcntl.LOCK_NB):
                _delete_dead(root)


def folders_in(folder: Path) -> list[Path]:
    """Lists the folders within a folder, without links; empty where it is missing."""
    with suppress(OSError):
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    return []


def _is_private(root: Path) -> bool:
    status = root.stat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o077 and not root.is_symlink()


@contextmanager
def _alone_in(root: Path, how: int) -> Iterator[None]:
    """Keeps other programs from making and deleting folders meanwhile: one without a lock is then a dead one."""
    handle = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def _delete_dead(root: Path) -> None:
    for folder in folders_in(root):
        if not _is_held(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_held(folder: Path) -> bool:
    try:
        lock = os.open(folder / LOCK, os.O_WRONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
