"""A tracker whose failure ends no training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from shared.tracking.base import Tracker

log = logging.getLogger(__name__)


class Guarded:
    """Hands on to a tracker until it fails; then warns once, and records no more.

    Args:
        name: Name of the tracker, for the warning.
        tracker: The tracker.
    """

    def __init__(self, name: str, tracker: Tracker) -> None:
        self._name, self._tracker, self._failed = name, tracker, False

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records values of one step; see `Tracker.log`."""
        self._try(lambda: self._tracker.log(step, values))

    def close(self, *, finished: bool) -> None:
        """Ends the record; see `Tracker.close`."""
        self._try(lambda: self._tracker.close(finished=finished))

    def _try(self, call: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            call()
        except Exception as error:  # each library has its own kinds; their messages may hold addresses and passwords
            self._failed = True
            log.warning("track: %s failed (%s); the training goes on without", self._name, type(error).__name__)
