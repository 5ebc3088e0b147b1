"""The folder of a spool: private to one user, held by one process, with the key of its names and room for its work."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from pathlib import Path

from shared.errors import UsageError
from shared.io.durable import rename_durably, write_durably

KEY_BYTES = 32
RESERVE_BYTES, RESERVE_SHARE = 256 << 20, 0.05
"""Room that stays free for judging and for results, and the largest share of the disk that is kept so: the objects of
a series with maps take some 20 MB, and other programs need some too."""


def prepare(root: Path) -> None:
    """Makes the folder of a spool, or checks the one that is there.

    Args:
        root: A new or empty folder, or a spool.

    Raises:
        UsageError: The folder holds something else, or other users can read it.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (root / "lock").exists() and any(root.iterdir()):
        raise UsageError(f"the folder {root} is not empty and no spool; give another --spool")
    mode = root.stat().st_mode & 0o777
    if mode & 0o077:
        raise UsageError(f"the spool {root} has mode {mode:o}, so other users can read it; run: chmod 700 {root}")


def locked(root: Path) -> int:
    """Locks a spool for this process, and returns the handle of the lock, which closing releases.

    Args:
        root: The folder of the spool.

    Raises:
        UsageError: Another process works in it.
    """
    handle = os.open(root / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise UsageError(f"the spool {root} is in use by another process; give another --spool") from None
    return handle


def read_key(root: Path) -> bytes:
    """Reads the key of the names in a spool, `KEY_BYTES` bytes, and makes one where there is none.

    Args:
        root: The folder of the spool, which is locked.

    Raises:
        UsageError: The key was damaged: under another one nothing that lies there would be known again.
    """
    path, draft = root / "key", root / "key.draft"
    if not path.exists():
        draft.unlink(missing_ok=True)
        write_durably(draft, secrets.token_bytes(KEY_BYTES))
        rename_durably(draft, path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise UsageError(
            f"the key of the spool, {path}, has {len(key)} bytes in place of {KEY_BYTES}: put it back from a copy, or "
            "give another --spool and send the series again"
        )
    return key


def check_room(root: Path, size: int) -> None:
    """Checks that a disk has room for an object, and for judging it.

    Args:
        root: A folder on the disk.
        size: Bytes of the object.

    Raises:
        OSError: It has not (ENOSPC); nothing was written.
    """
    usage = shutil.disk_usage(root)
    if usage.free - size < min(RESERVE_BYTES, RESERVE_SHARE * usage.total):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(root))
