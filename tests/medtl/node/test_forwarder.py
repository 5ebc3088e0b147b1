from __future__ import annotations

import struct
import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medtl.node import forwarder
from medtl.node.forwarder import Forwarder, Target
from medtl.node.spool import Spool
from shared.errors import UsageError


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("ARCHIVE@127.0.0.1:104", Target("ARCHIVE", "127.0.0.1", 104)),
        ("PACS 1@pacs.local:11112", Target("PACS 1", "pacs.local", 11112)),
        ("A@[::1]:104", Target("A", "::1", 104)),
    ],
)
def test_a_target_is_read_and_said_alike(text: str, target: Target) -> None:
    assert Target.parse(text) == target
    assert str(target) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ARCHIVE", "give AE@host:port"),
        ("ARCHIVE@host", "give AE@host:port"),
        ("@host:104", "give AE@host:port"),
        ("A@::1:104", "give AE@host:port"),
        ("A@host:port", "give AE@host:port"),
        ("A@host:0", "port 0 is not allowed"),
        ("A@host:65536", "port 65536 is not allowed"),
        ("SEVENTEEN_LETTERS@host:104", "1 to 16"),
        ("  @host:104", "not only spaces"),
        ("A\\B@host:104", "no backslash"),
    ],
)
def test_a_wrong_target_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Target.parse(text)


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_result_that_cannot_be_read_keeps_no_other_from_being_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    spool, reads = Spool(tmp_path / "spool"), dict[str, int]()
    for series in ("aa", "bb"):
        spool.store(series, "1", b"content")
        batch = spool.take(0)
        assert batch is not None
        (batch.out / "001.dcm").write_bytes(b"result")
        spool.commit(batch)
        spool.end(batch, None)

    def read(path: Path) -> Any:
        series = path.parent.parent.name
        reads[series] = reads.get(series, 0) + 1
        if series == "aa" and reads[series] == fails_at:
            raise struct.error("rotten")
        return SimpleNamespace(file_meta=SimpleNamespace(MediaStorageSOPClassUID="1", TransferSyntaxUID="2"))

    target = SimpleNamespace(is_established=True, send_c_store=lambda _: {"Status": 0})
    monkeypatch.setattr(forwarder, "dcmread", read)
    monkeypatch.setattr(Forwarder, "_association", lambda *_: nullcontext(target))
    sender = Forwarder(spool, Target("A", "127.0.0.1", 104), "B", threading.Event())
    sender._send_all(spool.unsent())
    assert [one.series for one in spool.unsent()] == ([] if fails_at == 1 else ["aa"])
