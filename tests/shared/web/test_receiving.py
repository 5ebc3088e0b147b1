"""Uploads as they come in, friendly and hostile."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.web import receiving
from shared.web.receiving import RequestRefused, receive

BOUNDARY = "b0undary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, data: bytes, file_name: str | None = None) -> bytes:
    stated = f'form-data; name="{name}"' + ("" if file_name is None else f'; filename="{file_name}"')
    return f"--{BOUNDARY}\r\nContent-Disposition: {stated}\r\n\r\n".encode() + data + b"\r\n"


def taken(folder: Path, *parts: bytes, kind: str = FORM, step: int = 7, most: int = 1 << 20) -> dict[str, str]:
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    return received(folder, body, kind, step, most)


def received(folder: Path, body: bytes, kind: str = FORM, step: int = 7, most: int = 1 << 20) -> dict[str, str]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), step):
            yield body[start : start + step]

    folder.mkdir(exist_ok=True)
    return asyncio.run(receive(chunks(), kind, folder, most))


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_files_come_with_their_folders_and_fields_beside_them(step: int, tmp_path: Path) -> None:
    parts = part("kind", b"page"), part("files", b"1\r\n--b0undarx", "a/b.dcm"), part("files", b"", "ä.png")
    assert taken(tmp_path / "up", *parts, step=step) == {"kind": "page"}
    assert files(tmp_path / "up") == {"a/b.dcm": b"1\r\n--b0undarx", "ä.png": b""}


@pytest.mark.parametrize(
    "name",
    [
        "../out",
        "/etc/out",
        "a/../../out",
        "a//b",
        "..",
        ".",
        "a\\\\..\\\\b",
        "a::b",
        "x\0y",
        "x" * 300,
        "a/" * 40 + "b",
        "",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(RequestRefused):
        taken(tmp_path / "up", part("files", b"data", name))
    assert files(tmp_path) == {}


def test_a_second_file_of_a_name_does_not_replace_the_first(tmp_path: Path) -> None:
    for second in ("a", "a/b"):
        folder = tmp_path / f"up-{len(second)}"
        with pytest.raises(RequestRefused, match="the same name"):
            taken(folder, part("files", b"1", "a"), part("files", b"2", second))
        assert files(folder) == {"a": b"1"}


def test_bounds_hold_while_data_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestRefused, match="larger than") as refused:
        taken(tmp_path / "bytes", part("files", b"x" * 5000, "a"), most=1000)
    assert refused.value.status == 413
    assert sum(map(len, files(tmp_path / "bytes").values())) <= 1000
    monkeypatch.setattr(receiving, "MAX_FILES", 2)
    with pytest.raises(RequestRefused, match="more than 2 files"):
        taken(tmp_path / "count", *(part("files", b"x", f"{number}") for number in range(3)))
    with pytest.raises(RequestRefused, match="longer than"):
        taken(tmp_path / "field", part("kind", b"x" * 10_000))
    with pytest.raises(RequestRefused):  # by the parser or here: each bounds headers
        taken(tmp_path / "header", part("files", b"x", "y" * 9000))


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"", "", 415),
        (b"x", "multipart/form-data", 415),
        (b"", FORM, 400),
        (b"garbage", FORM, 400),
        (part("files", b"cut off", "a")[:-2], FORM, 400),
        (f"--{BOUNDARY}--\r\n".encode(), FORM, 400),
        (part("other", b"x", "a") + f"--{BOUNDARY}--\r\n".encode(), FORM, 400),
        (part("kind", b"x") + f"--{BOUNDARY}--\r\n".encode(), FORM, 400),
        (part("files", b"x", "a").replace(b"name=", b"n\xff=", 1) + f"--{BOUNDARY}--\r\n".encode(), FORM, 400),
    ],
)
def test_what_is_no_form_of_files_is_refused(body: bytes, kind: str, status: int, tmp_path: Path) -> None:
    with pytest.raises(RequestRefused) as refused:
        received(tmp_path / "up", body, kind)
    assert refused.value.status == status


def test_who_sends_nothing_more_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stalls() -> AsyncIterator[bytes]:
        yield part("files", b"x", "a")
        await asyncio.sleep(60)

    monkeypatch.setattr(receiving, "STALLED_S", 0.05)
    with pytest.raises(RequestRefused) as refused:
        asyncio.run(receive(stalls(), FORM, tmp_path))
    assert refused.value.status == 408


def test_a_full_disk_of_the_server_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, mode: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(RequestRefused, match="cannot store it: No space left on device") as refused:
        taken(tmp_path, part("files", b"x", "a.png"))
    assert refused.value.status == 507
