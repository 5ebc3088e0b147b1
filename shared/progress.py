"""Progress of long work on standard error: bars in a terminal, lines at intervals elsewhere."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = Callable[[str, int, int, str], None]
"""A function called with (name of the activity, steps done, steps in all, short note)."""
Showing = bool | Progress
"""Whether progress is shown; or the function that shows it."""
LINE_SECONDS = 15.0
"""Seconds between two lines of one activity: often enough to see that it goes on, too seldom to fill a log file."""
NOTEBOOK_SECONDS = 0.2
"""Seconds between two drawings of the bars in a notebook: each is a message to the browser."""


@contextmanager
def showing(progress: Showing) -> Iterator[Progress]:
    """Gives a `with` block the function that shows progress as a caller of the library asked for it.

    Args:
        progress: True: as `progress_bars`; False: nothing is shown; or the function that shows it.

    Yields:
        A function called with (what, done, total, note).

    Raises:
        TypeError: It is none of these.
    """
    if progress is True:
        with progress_bars() as shown:
            yield shown
    elif progress is False:
        yield lambda *_: None
    elif callable(progress):
        yield progress
    else:
        raise TypeError(f"progress is {progress!r}; give True, False, or a function of (what, done, total, note)")


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Gives a `with` block a function that shows progress on standard error, or below the cell of a notebook.

    Yields:
        A function called with (what, done, total, note). On a terminal and in a notebook it draws a bar for each
        activity, with its rate and the time left; elsewhere it prints lines.
    """
    if (display := _notebook_display()) is not None:
        yield NotebookBars(display)
    elif sys.stderr.isatty():
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


def _notebook_display() -> Any:
    """A display below the cell that runs, which can be updated; None outside of a notebook."""
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    if running is None or not hasattr(running, "kernel"):
        return None
    from IPython.display import HTML, display

    return display(HTML(""), display_id=True)


class NotebookBars:
    """Draws a bar for each activity below the cell of a notebook.

    Args:
        display: Display of IPython, with a method `update` that takes an object with `_repr_html_`.
        clock: Function that returns the time in seconds.
    """

    def __init__(self, display: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._display, self._clock = display, clock
        self._bars: dict[str, tuple[int, int, str]] = {}
        self._begun: dict[str, tuple[float, int]] = {}
        self._drawn = -NOTEBOOK_SECONDS

    def __call__(self, what: str, done: int, total: int, note: str) -> None:
        """Draws the bars anew, at most every `NOTEBOOK_SECONDS`, and at the end of an activity.

        Args:
            what: Name of the activity.
            done: Steps done; fewer than before: the activity begins again.
            total: Number of steps in all.
            note: A short note to show with it, or an empty text.
        """
        now = self._clock()
        if what not in self._bars or done < self._bars[what][0]:
            self._begun[what] = (now, done)
        begun, first = self._begun[what]
        seconds, words = now - begun, [note] if note else []
        if seconds > 0 and done > first:
            rate = (done - first) / seconds
            words = [_rate(rate), f"{(total - done) / rate:.0f} s left" if done < total else f"{seconds:.0f} s", *words]
        self._bars[what] = (done, total, ", ".join(words))
        if done >= total or now - self._drawn >= NOTEBOOK_SECONDS:
            self._drawn = now
            self._display.update(self)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{html.escape(what)}</td>"
            f"<td><progress value='{done}' max='{max(total, 1)}'></progress></td>"
            f"<td>{done}/{total}</td><td style='text-align:left'>{html.escape(words)}</td></tr>"
            for what, (done, total, words) in self._bars.items()
        )
        return f"<table>{rows}</table>"


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
