"""What does not belong into a spool, or cannot be read there, is set aside, so that it stops nothing else."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

LOGGER = logging.getLogger(__name__)
FOLDER = "damaged"
NAME = re.compile(r"[0-9a-f]{1,64}")
"""Names that the spool gives: hashes, and numbers of revisions."""
KNOWN = frozenset({"series", "results", "failures", "others", "record.json", "forwarded", ".DS_Store", ".snapshot"})
"""Names besides hashes that may be shown."""


class Damaged:
    """The entries of a spool that were set aside, in its folder `damaged/`.

    Args:
        root: The folder of the spool.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER
        self._root = root
        self._stuck: set[Path] = set()

    def add(self, path: Path, why: str) -> None:
        """Moves an entry into `damaged/`, and logs where it lay; one that cannot be moved is passed over from then on.

        Args:
            path: The entry, within the spool.
            why: What is wrong with it, in a few words without identifiers.
        """
        shown = path.relative_to(self._root).parts
        # a name that the spool did not give may be that of a patient
        place = "/".join(part if NAME.fullmatch(part) or part in KNOWN else "a foreign entry" for part in shown)
        kept = f"{secrets.token_hex(4)}-{path.name}"
        try:
            path.rename(self.folder / kept)
        except OSError as error:
            self._stuck.add(path)
            LOGGER.error("%s %s, and cannot be set aside (%s): it is passed over", place, why, error.strerror)
            return
        LOGGER.error("%s %s: set aside as %s/%s...", place, why, FOLDER, kept.partition("-")[0])

    def count(self) -> int:
        """Counts the entries that were set aside, or are passed over."""
        return len(list(self.folder.iterdir())) + len(self._stuck)

    def sound(self, folder: Path, is_sound: Callable[[Path], bool]) -> Iterator[Path]:
        """Lists the entries of a folder that the spool made, in order of their names, and sets the others aside.

        Args:
            folder: The folder, within the spool; one that does not exist is empty.
            is_sound: Says of an entry with a name of the spool whether it is of the right kind.
        """
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path in self._stuck:
                continue
            if NAME.fullmatch(path.name) and is_sound(path):
                yield path
            else:
                self.add(path, "is no entry of a spool")
