"""Takes received objects into the spool, whichever way they came: C-STORE and STOW-RS promise the same.

An object is acknowledged only when it survives a power cut. Logs hold counts and keyed hashes, never values of an
object.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from medtl.node.spool import Spool
from medtl.results.stated import Stated, is_whole, read_stated
from shared.errors import InputRefused

LOGGER = logging.getLogger(__name__)
SUCCESS, OUT_OF_RESOURCES, MISMATCH, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xA900, 0xC000
OTHER_BYTES = 0xB000
"""Statuses of the response to a C-STORE, and reasons in that to STOW-RS; the last is a warning.

Source: DICOM PS3.4, table B.2-1; PS3.18, table I.2-2.
"""
SAID = {
    "new": "stored",
    "again": "sent again",
    "other": "sent again with other bytes; the first ones stay",
    "replaced": "sent again whole, and takes the place of one that cannot be decoded",
}


@dataclass(frozen=True)
class Taken:
    """What became of a received object.

    Attributes:
        status: `SUCCESS`, the warning `OTHER_BYTES`, or why it was not taken.
        sop_class: Its SOP Class UID; empty where it could not be read.
        instance: Its SOP Instance UID; empty where it could not be read.
    """

    status: int
    sop_class: str = ""
    instance: str = ""


class Intake:
    """Takes objects into a spool; its method may be called from several threads.

    Args:
        spool: The store of received instances.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def take(self, read: Callable[[], bytes], *, instance: str = "", study: str = "") -> Taken:
        """Takes an object; when this returns with success or a warning, the object survives a power cut.

        Args:
            read: Reads the bytes of its DICOM file; what it raises becomes a status.
            instance: SOP Instance UID that the sender stated; empty: none.
            study: Study Instance UID that the sender stated; empty: none.
        """
        try:
            data = read()
            stated = read_stated(data)
            return Taken(self._status(data, stated, instance, study), stated.sop_class, stated.instance)
        except InputRefused as error:
            LOGGER.warning("an object was refused: it %s", error)
            return Taken(CANNOT_UNDERSTAND)
        except (OSError, MemoryError) as error:
            _log_fault(error)
            return Taken(OUT_OF_RESOURCES)
        # pynetdicom would log the traceback, with values of the object
        except Exception as error:
            LOGGER.error("an object could not be received (%s)", type(error).__name__)
            return Taken(CANNOT_UNDERSTAND)

    def _status(self, data: bytes, stated: Stated, instance: str, study: str) -> int:
        _, own_study, series = stated.series
        differs = (instance and instance != stated.instance) or (study and study != own_study)
        if differs or not stated.instance or not series:
            LOGGER.warning("an object was refused: its UIDs differ from those of the request, or are missing")
            return MISMATCH
        try:
            return self._keep(self._spool.name(*stated.series), self._spool.name(stated.instance), data, stated)
        except (OSError, MemoryError) as error:  # here, so that the answer can say which object it was
            _log_fault(error)
            return OUT_OF_RESOURCES

    def _keep(self, series: str, instance: str, data: bytes, stated: Stated) -> int:
        """Stores an object and returns the status that says so."""
        if self._spool.is_own(instance):
            LOGGER.info("a result of this listener was received and not judged")
            return SUCCESS
        if stated.is_answer or not stated.is_image:
            self._spool.keep(series, instance, data)
            LOGGER.info("series %s: %s was stored and is not judged", series, stated.what)
            return SUCCESS
        stored = self._spool.store(series, instance, data, is_whole)
        strange = stored in ("other", "replaced")
        LOGGER.log(logging.WARNING if strange else logging.DEBUG, "series %s: an instance was %s", series, SAID[stored])
        return OTHER_BYTES if strange else SUCCESS


def _log_fault(error: Exception) -> None:
    reason = getattr(error, "strerror", None) or type(error).__name__
    LOGGER.error("an object could not be stored (%s)", reason)
