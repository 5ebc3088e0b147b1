"""Trackers, which record trainings where people look at them; one in each file, and the name of the file is its name.

Nothing heavy is imported here: the library of a tracker is imported when a run is opened.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from importlib.util import find_spec

from shared.errors import ConfigError, RunError
from shared.registry import unknown_name
from shared.tracking.base import TrackedRun, Tracker, TrackerFile, Untracked
from shared.tracking.guarded import Guarded

AUTO, NONE = "auto", "none"
DEFAULT = "tensorboard"
"""The tracker of `AUTO`, where its library is installed: it writes one small file into the run folder."""

log = logging.getLogger(__name__)


def tracker_names() -> list[str]:
    """Lists the names of all trackers, sorted, without importing any."""
    parts = ("base", "guarded")
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in parts)


def check_tracker(track: str) -> None:
    """Checks that there is such a tracker, and that its library is installed.

    Args:
        track: Value of the key `track`: `AUTO`, `NONE` or the name of a tracker.

    Raises:
        ConfigError: It is none of these, or the library is missing.
    """
    if track in (AUTO, NONE):
        return
    known = [AUTO, NONE, *tracker_names()]
    if track not in known:
        raise ConfigError(f"track: {unknown_name('tracker', track, known)}; allowed: {', '.join(known)}")
    if not _is_installed(track):
        raise ConfigError(f"track: {track} is not installed; install it with: pip install '.[{track}]', or track=none")


def open_tracker(track: str, run: TrackedRun) -> Tracker:
    """Opens a run in the tracker of a configuration.

    A tracker that fails later warns once and records no more; the training goes on.

    Args:
        track: Value of the key `track`, which `check_tracker` accepted.
        run: The run to record.

    Returns:
        The tracker; one that records nothing where the configuration asks for none, or `AUTO` finds none.

    Raises:
        RunError: The tracker that was asked for cannot be reached or written.
    """
    name = DEFAULT if track == AUTO else track
    if name == NONE or not _is_installed(name):
        return Untracked()
    try:
        return Guarded(name, _file(name).open_run(run))
    except Exception as error:  # each library has its own kinds
        # the message of a library may hold an address with a password
        fault = f"track: {name} cannot record this run ({type(error).__name__})"
    if track == AUTO:
        log.warning("%s; the training goes on without", fault)
        return Untracked()
    raise RunError(f"{fault}; check its server or folder, or set track=none") from None


def _file(name: str) -> TrackerFile:
    tracker: TrackerFile = importlib.import_module(f"{__name__}.{name}")
    return tracker


def _is_installed(name: str) -> bool:
    return find_spec(name) is not None  # each tracker has the name of its library
