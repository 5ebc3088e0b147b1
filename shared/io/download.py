"""Downloads a file over HTTP: resumes it where it broke off, checks it, and puts it in place when it is complete."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.errors import DataError
from shared.io.atomic import file_hash

BLOCK = 1 << 18
TIMEOUT_S = 30.0
"""Seconds without a byte after which a server counts as lost."""

Progress = Callable[[int, int], None]
"""Called with (bytes done, total bytes)."""


def download(
    url: str,
    to: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    progress: Progress = lambda *_: None,
) -> Path:
    """Downloads a file; an existing one is checked and not downloaded again.

    When the connection breaks, the received bytes stay as `NAME.partial` in the same folder. The next call continues
    from there if the server supports ranges, and starts again if it does not.

    Args:
        url: Address of the file.
        to: Path of the downloaded file.
        size: Expected bytes; None: the size that the server states.
        sha256: Expected SHA-256 in hexadecimal; None: the content is not checked here.
        progress: Called after every block.

    Returns:
        `to`.

    Raises:
        DataError: The server cannot be reached, does not have the file, broke off, or sent another file.
    """
    if to.is_file():
        _check(to, to, url, size, sha256)
        return to
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = to.with_name(f"{to.name}.partial")
    try:
        expected = _fetch(url, partial, progress)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"{url} could not be fetched ({reason_of(error)}); run the same command again to continue, or place the "
            f"file by hand as {to}"
        ) from None
    got = partial.stat().st_size
    if expected is not None and got < expected:
        raise DataError(f"{url} broke off after {got} of {expected} bytes; run the same command again to continue")
    _check(partial, to, url, size if size is not None else expected, sha256)
    partial.replace(to)
    return to


def _fetch(url: str, partial: Path, progress: Progress) -> int | None:
    """Appends the missing bytes to `partial`; returns the size of the file as the server states it, or None."""
    done = partial.stat().st_size if partial.is_file() else 0
    try:
        answer = _open(url, done)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not done:
            raise
        partial.unlink()  # longer than the file, or another one
        return _fetch(url, partial, progress)
    with answer:
        resumed = answer.status == http.client.PARTIAL_CONTENT
        done = done if resumed else 0
        length = answer.headers.get("Content-Length")
        expected = None if length is None else done + int(length)
        with partial.open("ab" if resumed else "wb") as stream:
            while block := answer.read(BLOCK):
                stream.write(block)
                done += len(block)
                progress(done, expected or done)
    return expected


def _open(url: str, start: int) -> Any:
    headers = {"User-Agent": "medtl", **({"Range": f"bytes={start}-"} if start else {})}
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)


def _check(path: Path, name: Path, url: str, size: int | None, sha256: str | None) -> None:
    """Refuses a file of another size or content, and deletes it if it was downloaded now."""
    got = path.stat().st_size
    if size is not None and got != size:
        fault = f"has {got} bytes; {size} were expected"
    elif sha256 is not None and file_hash(path) != sha256:
        fault = "has another SHA-256 than the expected one"
    else:
        return
    if path != name:
        path.unlink()
        raise DataError(f"the file from {url} {fault}; try again, or place the file by hand as {name}")
    raise DataError(f"{name} is not the file from {url}: it {fault}; delete it and fetch it again")


def reason_of(error: Exception) -> str:
    """Describes a network error in one line, in the words of the system or the server, without those of Python.

    Args:
        error: The error; one without words is described by the name of its type.
    """
    cause = getattr(error, "reason", None)
    if isinstance(cause, OSError):
        error = cause
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(text.split()) or type(error).__name__
