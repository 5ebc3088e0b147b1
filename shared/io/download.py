"""A file fetched over HTTP: resumed where it broke off, checked, and in its place only when it is whole."""

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
"""Seconds without a byte after which a server counts as gone."""

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""


def download(
    url: str,
    to: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    progress: Progress = lambda *_: None,
) -> Path:
    """Fetches a file; one that is there already is checked and not fetched again.

    What came before a connection broke stays beside it as `NAME.partial`, and the next call goes on from there where
    the server knows ranges, and begins anew where it does not.

    Args:
        url: Its address.
        to: Where it shall lie.
        size: In bytes, where it is known; else what the server says is believed.
        sha256: Where it is known; else the content is not checked here.
        progress: Told of every block.

    Returns:
        `to`.

    Raises:
        DataError: The server cannot be reached, does not have the file, broke off, or sent another one.
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
            f"{url} could not be fetched ({reason_of(error)}); the same command goes on where it broke off, or place "
            f"the file by hand as {to}"
        ) from None
    got = partial.stat().st_size
    if expected is not None and got < expected:
        raise DataError(f"{url} broke off after {got} of {expected} bytes; the same command goes on from there")
    _check(partial, to, url, size if size is not None else expected, sha256)
    partial.replace(to)
    return to


def _fetch(url: str, partial: Path, progress: Progress) -> int | None:
    """Adds what is missing to `partial`; the size of the whole as the server says, or None where it does not."""
    done = partial.stat().st_size if partial.is_file() else 0
    try:
        answer = _open(url, done)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not done:
            raise
        partial.unlink()  # longer than the file, or another one
        return _fetch(url, partial, progress)
    with answer:
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        done = done if goes_on else 0
        length = answer.headers.get("Content-Length")
        expected = None if length is None else done + int(length)
        with partial.open("ab" if goes_on else "wb") as stream:
            while block := answer.read(BLOCK):
                stream.write(block)
                done += len(block)
                progress(done, expected or done)
    return expected


def _open(url: str, start: int) -> Any:
    headers = {"User-Agent": "medtl", **({"Range": f"bytes={start}-"} if start else {})}
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)


def _check(path: Path, name: Path, url: str, size: int | None, sha256: str | None) -> None:
    """Deletes what is not the file that was wanted, unless it lay there before, and says so."""
    got = path.stat().st_size
    if size is not None and got != size:
        fault = f"has {got} bytes, and {size} were expected"
    elif sha256 is not None and file_hash(path) != sha256:
        fault = "has another SHA-256 than was expected"
    else:
        return
    if path != name:
        path.unlink()
        raise DataError(f"what came from {url} {fault}; try again, or place the file by hand as {name}")
    raise DataError(f"{name} is not the file from {url}: it {fault}; delete it and fetch it again")


def reason_of(error: Exception) -> str:
    """Why nothing came, in the words of the network or the server and without those of Python."""
    cause = getattr(error, "reason", None)
    if isinstance(cause, OSError):
        error = cause
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(said.split()) or type(error).__name__
