"""Named records: the one way in which backbones and other parts are found by name."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Generic, TypeVar

from shared.errors import UnknownNameError

Record = TypeVar("Record")


class Registry(Generic[Record]):
    """A small ordered dictionary of records that refuses duplicates and answers near misses.

    Args:
        kind: What is registered, as it should read in a message ("backbone").
        package: Dotted name of a package whose modules add records when they are imported, all at the first look-up;
            None: whoever has records adds them.
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self._package = package
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
        self._load()
        if name in self._records:
            return self._records[name]
        raise UnknownNameError(unknown_name(self.kind, name, list(self._records)))

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._records

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._records)

    def __len__(self) -> int:
        self._load()
        return len(self._records)

    def _load(self) -> None:
        """Imports the modules that hold the records, once; those that begin with `_` hold none."""
        if self._package is None:
            return
        package, self._package = importlib.import_module(self._package), None
        for module in sorted(pkgutil.iter_modules(package.__path__)):
            if not module.name.startswith("_"):
                importlib.import_module(f"{package.__name__}.{module.name}")


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """The one line said for a name that does not exist."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    return f"unknown {kind} {name!r}; {hint}"
