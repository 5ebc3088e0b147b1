"""Progress of long work on standard error: bars in a terminal, lines at intervals elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int, str], None]
"""A function called with (name of the activity, steps done, steps in all, short note)."""
LINE_SECONDS = 15.0
"""Seconds between two lines of one activity: often enough to see that it goes on, too seldom to fill a log file."""


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Gives a `with` block a function that shows progress on standard error.

    Yields:
        A function called with (what, done, total, note). On a terminal it draws a bar for each activity, with its rate
        and the time left; elsewhere it prints lines.
    """
    if sys.stderr.isatty():
        with _bars() as show:
            yield show
    else:
        yield Lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    """Yields a `Progress` that draws a bar for each activity in the terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Display
    from rich.progress import TaskID as BarID

    bars: dict[str, BarID] = {}
    with Display(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} {task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as display:

        def show(what: str, done: int, total: int, note: str) -> None:
            if what not in bars:
                bars[what] = display.add_task(what, total=total, rate="", note="")
            elif done < display.tasks[bars[what]].completed:
                display.reset(bars[what])
            speed = display.tasks[bars[what]].speed
            rate = _rate(speed) if speed else ""
            display.update(bars[what], completed=done, total=total, note=note, rate=rate)

        yield show


class Lines:
    """Prints progress for a log file or a pipe: a line when an activity begins, every `LINE_SECONDS`, and at its end.

    Args:
        clock: Function that returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: dict[str, tuple[float, int]] = {}
        self._printed: dict[str, tuple[float, int]] = {}

    def __call__(self, what: str, done: int, total: int, note: str) -> None:
        """Prints a line if one is due.

        Args:
            what: Name of the activity.
            done: Steps done; fewer than before: the activity begins again.
            total: Number of steps in all.
            note: A short note to show with it, or an empty text.
        """
        now = self._clock()
        if what not in self._begun or done < self._printed[what][1]:
            self._begun[what] = (now, done)
        else:
            last, printed = self._printed[what]
            if done == printed or (done != total and now - last < LINE_SECONDS):
                return
        self._printed[what] = (now, done)
        begun, first = self._begun[what]
        seconds = now - begun
        words = [f"{what}: {done}/{total}"]
        if seconds > 0 and done > first:
            rate = (done - first) / seconds
            words.append(_rate(rate))
            words.append(f"{(total - done) / rate:.0f} s left" if done < total else f"in {seconds:.0f} s")
        print(", ".join([*words, note] if note else words), file=sys.stderr, flush=True)  # noqa: T201 - its purpose


def _rate(per_second: float) -> str:
    """Formats a rate by the second, or by the minute if it is below one a second."""
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{60 * per_second:.1f}/min"
