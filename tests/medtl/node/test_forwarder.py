from __future__ import annotations

import pytest

from medtl.node.forwarder import Target
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
