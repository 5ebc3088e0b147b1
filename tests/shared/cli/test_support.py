from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest
import typer

from shared.cli.support import exit_code, reported
from shared.io.writes import Writes


def refusing(number: int) -> Callable[[], None]:
    def write() -> None:
        raise OSError(number, os.strerror(number), "out/file")

    return write


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (errno.ENOSPC, 1, "free space there, or choose another place; the same command resumes"),
        (errno.EDQUOT, 1, "free space there, or choose another place; the same command resumes"),
        (errno.EMFILE, 1, "or close other programs; the same command resumes"),
        (errno.EROFS, 2, "choose a place that can be written"),
        (errno.EACCES, 2, "choose a place that can be written"),
    ],
)
def test_what_cannot_be_written_ends_in_one_line_with_the_way_out(
    number: int, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, reported(resumes=True):
        refusing(number)()
    assert ended.value.exit_code == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: out/file: ")
    assert line.endswith(said)


def test_a_command_that_does_not_resume_does_not_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), reported():
        refusing(errno.ENOSPC)()
    assert "resumes" not in capsys.readouterr().err


@pytest.mark.parametrize(("resumes", "end"), [(True, "; the same command resumes it"), (False, "")])
def test_an_interrupted_command_promises_to_resume_only_where_it_does(
    resumes: bool, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, reported(resumes=resumes):
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == f"interrupted{end}\n"


def test_after_a_refusal_nothing_more_is_written_and_it_is_raised_in_the_end() -> None:
    writes, done = Writes(), list[int]()
    assert writes.call(max, 1, 2) == 2
    assert writes.call(refusing(errno.ENOSPC)) is None
    assert writes.call(done.append, 1) is None
    assert done == []
    with pytest.raises(OSError, match="No space"):
        writes.check()


def test_a_reader_that_has_had_enough_is_no_fault_of_a_disk() -> None:
    def closed() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        Writes().call(closed)


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ({"assessed"}, 0),
        ({"assessed", "not assessed"}, 4),
        ({"assessed", "not decided"}, 4),
        ({"refused", "not decided"}, 3),
    ],
)
def test_a_human_must_look_where_one_answer_gave_no_decision(statuses: set[str], code: int) -> None:
    assert exit_code(statuses) == code
