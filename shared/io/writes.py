"""Writing beside answers: into a folder that is made, and so that a full disk takes no answer away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from shared.errors import UsageError

Result = TypeVar("Result")


def make_folder(out: Path | None) -> None:
    """Makes the folder for results, with those above it; one that exists stays as it is.

    Args:
        out: The folder; None: nothing is made.

    Raises:
        UsageError: A file has that name.
    """
    if out is not None:
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out} is a file; name a folder for what is written")
        out.mkdir(parents=True, exist_ok=True)


class Writes:
    """Writes what belongs to answers, after the answers were given: a full disk takes none of them away.

    After the first refusal of the system nothing more is written, and `check` raises it in the end.
    """

    def __init__(self) -> None:
        self._fault: OSError | None = None

    def call(self, write: Callable[..., Result], *arguments: Any) -> Result | None:
        """Calls a function that writes.

        Args:
            write: The function.
            arguments: Its arguments.

        Returns:
            Its result; None where the system refused to write, now or before.
        """
        if self._fault is not None:
            return None
        try:
            return write(*arguments)
        except BrokenPipeError:
            raise
        except OSError as error:
            self._fault = error
            return None

    def check(self) -> None:
        """Raises the refusal of the system, where there was one.

        Raises:
            OSError: Something could not be written.
        """
        if self._fault is not None:
            raise self._fault
