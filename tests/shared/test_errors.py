from __future__ import annotations

import errno
import os

import pytest

from shared.errors import ELSEWHERE, machine_fault, system_words


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free space there"),
        (errno.EDQUOT, "free space there"),
        (errno.EMFILE, "allow more open files (ulimit -n)"),
        (errno.EROFS, ELSEWHERE),
        (errno.EACCES, ELSEWHERE),
    ],
)
def test_a_refusal_of_the_system_says_where_what_and_the_remedy(number: int, remedy: str) -> None:
    words = system_words(OSError(number, os.strerror(number), "runs/a"))
    assert words.startswith(f"runs/a: {os.strerror(number)}; {remedy}")
    assert "None" not in system_words(OSError(number, os.strerror(number)))


def test_a_fault_of_the_machine_is_found_behind_that_of_a_library() -> None:
    behind = RuntimeError("write failed")
    behind.__context__ = OSError(errno.ENOSPC, "full")
    assert machine_fault(behind) == errno.ENOSPC
    assert machine_fault(ValueError("I/O error: quota (os error 122)")) == errno.EDQUOT
    assert machine_fault(FileNotFoundError(errno.ENOENT, "missing")) is None
    assert machine_fault(ValueError("28")) is None
