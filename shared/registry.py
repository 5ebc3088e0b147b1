"""Named records: the one way in which backbones and other parts are found by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Generic, TypeVar

from shared.errors import UnknownNameError

Record = TypeVar("Record")


class Registry(Generic[Record]):
    """A small ordered dictionary of records that refuses duplicates and answers near misses.

    Args:
        kind: What is registered, as it should read in a message ("backbone").
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._records: dict[str, Record] = {}

    def add(self, name: str, record: Record) -> Record:
        """Registers `record`.

        Raises:
            ValueError: `name` is taken; two records under one name are a programming error.
        """
        if name in self._records:
            raise ValueError(f"{self.kind} {name!r} is already registered")
        self._records[name] = record
        return record

    def get(self, name: str) -> Record:
        """Returns the record called `name`.

        Raises:
            UnknownNameError: No such record; the message lists the nearest names, or all when none is near.
        """
        if name in self._records:
            return self._records[name]
        raise UnknownNameError(unknown_name(self.kind, name, list(self._records)))

    def __contains__(self, name: object) -> bool:
        return name in self._records

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """The one line said for a name that does not exist."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    return f"unknown {kind} {name!r}; {hint}"
