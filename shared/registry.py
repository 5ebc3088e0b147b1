"""Registries of named records, by which backbones, strategies and other parts are looked up."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from shared.errors import UnknownNameError, UsageError

Record = TypeVar("Record")


class Registry(Generic[Record]):
    """An ordered dictionary of records that refuses duplicates and suggests near names for unknown ones.

    Args:
        kind: The kind of record, as it reads in a message ("backbone").
        package: Dotted name of a package whose modules add records when they are imported; all are imported at the
            first look-up. None: records are added by calls of `add` alone.
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self._package = package
        self._records: dict[str, Record] = {}

    def add(self, name: str, record: Record) -> Record:
        """Registers a record under a name.

        Args:
            name: The name to find it by.
            record: The record.

        Returns:
            `record`.

        Raises:
            ValueError: The name is taken; two records under one name are a programming error.
        """
        if name in self._records:
            raise ValueError(f"{self.kind} {name!r} is already registered")
        self._records[name] = record
        return record

    def get(self, name: str) -> Record:
        """Looks up a record by its name.

        Raises:
            UnknownNameError: There is no such record; the message lists the nearest names, or all if none is near.
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
        """Imports the modules that add records, once; modules whose name begins with `_` add none."""
        if self._package is None:
            return
        package, self._package = importlib.import_module(self._package), None
        for module in sorted(pkgutil.iter_modules(package.__path__)):
            if not module.name.startswith("_"):
                importlib.import_module(f"{package.__name__}.{module.name}")


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """Writes the message for a name that does not exist, in one line, with the nearest names, or all if none is near.

    Args:
        kind: The kind of name, as it reads in the message ("backbone").
        name: The unknown name.
        known: The names that exist.
    """
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    return f"unknown {kind} {name!r}; {hint}"


def check_names(
    option: str, given: Sequence[str], allowed: Sequence[str], *, shown: Sequence[str] | None = None
) -> None:
    """Checks that an option takes all names that it was given.

    Args:
        option: The option as it reads in the message (`--method`).
        given: The names; empty is allowed.
        allowed: Names that the option takes.
        shown: Those of them that the message lists; None: all.

    Raises:
        UsageError: A name is not allowed; the message says the name, the near ones and those that are allowed.
    """
    for name in given:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=3)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            listed = ", ".join(allowed if shown is None else shown)
            raise UsageError(f"{option}: unknown name {name!r}; {hint}allowed are {listed}")
