"""Progress of long work on standard error: bars in a terminal, lines at intervals elsewhere."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress as Display
    from rich.progress import TaskID

Progress = Callable[[str, int, int, str], None]
"""A function called with (name of the activity, steps done, steps in all, short note)."""
Showing = bool | Progress
"""Whether progress is shown; or the function that shows it."""
LINE_SECONDS = 30.0
"""Seconds between two lines of one activity: often enough to see that it goes on, too seldom to fill a log file."""
MEASURED_SECONDS, WORTH_SECONDS = 2.0, 5.0
"""The time left is told as soon as so many seconds were measured, where so many are left."""
END_SECONDS = 1.0
"""What ends within this time takes no line."""
NOTEBOOK_SECONDS = 0.2
"""Seconds between two drawings of the bars in a notebook: each is a message to the browser."""


class Pace:
    """The rate of an activity, and the time that it has left.

    Args:
        now: Time at which it begins, in seconds.
        done: Steps done by then.
    """

    def __init__(self, now: float, done: int) -> None:
        self.begun, self.first = now, done
        self.changed, self.done = now, done

    def seconds(self, now: float) -> float:
        """Returns for how long it has been going on."""
        return now - self.begun

    def step(self, now: float, done: int) -> None:
        """Notes how many steps are done now."""
        if done != self.done:
            self.changed, self.done = now, done

    def rate(self) -> float | None:
        """Returns the steps a second since it began; None before the first step."""
        seconds, steps = self.changed - self.begun, self.done - self.first
        return steps / seconds if seconds > 0 and steps > 0 else None

    def left(self, now: float, total: int) -> float | None:
        """Returns the seconds that the remaining steps will take at the same rate; None before the first step."""
        rate = self.rate()
        return None if rate is None else max(0.0, (total - self.done) / rate - (now - self.changed))

    def words(self, now: float, total: int) -> list[str]:
        """Returns the rate and the time left, or the time taken where it is finished, in words; empty at first."""
        rate, left = self.rate(), self.left(now, total)
        if rate is None or left is None:
            return []
        return [_rate(rate), f"{duration(left)} left" if self.done < total else f"in {duration(self.seconds(now))}"]


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
    if _in_notebook():
        yield NotebookBars(_in_cell)
    elif sys.stderr.isatty():
        with _bars() as show:
            yield show
    else:
        yield Lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    """Yields a `Progress` that draws a bar for each activity in the terminal, nothing before its first call."""
    with ExitStack() as stack:
        drawn: list[_TerminalBars] = []

        def show(what: str, done: int, total: int, note: str) -> None:
            if not drawn:
                drawn.append(_TerminalBars(stack.enter_context(_display())))
            drawn[0].draw(what, done, total, note)

        yield show


def _display() -> Display:
    """The display of bars, below what is printed."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Display

    return Display(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}"),
        console=Console(stderr=True),
        redirect_stdout=sys.stdout.isatty(),  # else answers for a file or pipe would go to standard error
    )


class _TerminalBars:
    """The bars of a display, with the pace of each."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._bars: dict[str, TaskID] = {}
        self._paces: dict[str, Pace] = {}

    def draw(self, what: str, done: int, total: int, note: str) -> None:
        """Draws a bar anew; fewer steps than before: the activity begins again."""
        now = time.monotonic()
        if what not in self._bars:
            self._bars[what] = self._display.add_task(what, total=total, words="")
        if what not in self._paces or done < self._paces[what].done:
            self._paces[what] = Pace(now, done)
            self._display.reset(self._bars[what])
        self._paces[what].step(now, done)
        words = ", ".join([*self._paces[what].words(now, total), *([note] if note else [])])
        self._display.update(self._bars[what], completed=done, total=total, words=words)


def _in_notebook() -> bool:
    """Whether a cell of a notebook runs, which has a kernel, as IPython in a terminal has none."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _in_cell(shown: object) -> Any:
    from IPython.display import display

    return display(shown, display_id=True)


class NotebookBars:
    """Draws a bar for each activity below the cell of a notebook.

    Args:
        display: Shows an object with `_repr_html_`, and returns what can `update` it, as IPython's `display` does.
        clock: Function that returns the time in seconds.
    """

    def __init__(self, display: Callable[[object], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._display, self._clock = display, clock
        self._handle: Any = None
        self._paces: dict[str, Pace] = {}
        self._rows: dict[str, tuple[int, int, str]] = {}
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
        if what not in self._paces or done < self._paces[what].done:
            self._paces[what] = Pace(now, done)
        self._paces[what].step(now, done)
        self._rows[what] = (done, total, ", ".join([*self._paces[what].words(now, total), *([note] if note else [])]))
        if done >= total or now - self._drawn >= NOTEBOOK_SECONDS:
            self._drawn = now
            if self._handle is None:
                self._handle = self._display(self)
            else:
                self._handle.update(self)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{html.escape(what)}</td>"
            f"<td><progress value='{done}' max='{max(total, 1)}'></progress></td>"
            f"<td>{done}/{total}</td><td style='text-align:left'>{html.escape(words)}</td></tr>"
            for what, (done, total, words) in self._rows.items()
        )
        return f"<table>{rows}</table>"


@dataclass
class _Activity:
    """What was printed of an activity.

    Attributes:
        pace: Its rate since it began, or began again.
        printed: Time of its last line; None: there is none.
        said: Steps and note of that line.
        estimated: Whether a line told the time left.
        again: Whether it began again.
    """

    pace: Pace
    printed: float | None = None
    said: tuple[int, str] | None = None
    estimated: bool = False
    again: bool = False


class Lines:
    """Prints progress for a log file or a pipe.

    A line is printed when an activity begins, as soon as the time left is known, every `LINE_SECONDS`, and at its end.

    Args:
        clock: Function that returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._activities: dict[str, _Activity] = {}

    def __call__(self, what: str, done: int, total: int, note: str) -> None:
        """Prints a line if one is due.

        Args:
            what: Name of the activity.
            done: Steps done; fewer than before: the activity begins again.
            total: Number of steps in all.
            note: A short note to show with it, or an empty text.
        """
        now = self._clock()
        activity = self._activities.setdefault(what, _Activity(Pace(now, done)))
        if done < activity.pace.done:
            activity.pace, activity.again = Pace(now, done), True
        activity.pace.step(now, done)
        if (done, note) == activity.said or not _is_due(activity, now, total):
            return
        words = activity.pace.words(now, total)
        activity.printed, activity.said = now, (done, note)
        activity.estimated = activity.estimated or bool(words)
        line = ", ".join([f"{what}: {done}/{total}", *words, *([note] if note else [])])
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - its purpose


def _is_due(activity: _Activity, now: float, total: int) -> bool:
    """Whether a line is to be printed of an activity."""
    pace, left = activity.pace, activity.pace.left(now, total)
    last = pace.begun if activity.printed is None else activity.printed
    if now - last >= LINE_SECONDS:
        return True
    if pace.done >= total:
        return not activity.again and (activity.printed is not None or pace.seconds(now) >= END_SECONDS)
    if pace.done == 0:
        return activity.printed is None
    return (
        not activity.estimated and left is not None and left >= WORTH_SECONDS and pace.seconds(now) >= MEASURED_SECONDS
    )


def duration(seconds: float) -> str:
    """Writes a time in the unit that suits it: seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _rate(per_second: float) -> str:
    """Formats a rate by the second or by the minute; where a step takes longer, that time."""
    if per_second >= 1:
        return f"{per_second:.1f}/s"
    return f"{60 * per_second:.1f}/min" if per_second >= 1 / 60 else f"{duration(1 / per_second)} each"
