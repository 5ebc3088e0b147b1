"""The records of a spool: what a judgement of a series was made of, and why one failed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, order=True)
class Revision:
    """One judgement of a series: the first, or a later one after further instances arrived.

    Attributes:
        series: Name of the series in the spool.
        number: Number of the judgement, from 1.
    """

    series: str
    number: int


@dataclass(frozen=True)
class Record:
    """What a revision was made of, in its `record.json`.

    Attributes:
        instances: Names of the judged instances.
        results: Names of the results.
    """

    instances: tuple[str, ...]
    results: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Record:
        """Reads a record.

        Raises:
            OSError: There is none.
            ValueError: It is not whole.
        """
        tree = _fields(path)
        names = [tree.get("instances"), tree.get("results")]
        if not all(isinstance(one, list) and all(isinstance(name, str) for name in one) for one in names):
            raise ValueError("has not the fields of a record")
        return cls(tuple(tree["instances"]), tuple(tree["results"]))

    def to_bytes(self) -> bytes:
        """Returns the record as `read` takes it from a file."""
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True)
class Failure:
    """Failed attempts to judge a series, in `failures/SERIES`.

    Attributes:
        instances: Digest of the names of the instances, by `digest`.
        attempts: Number of attempts.
        reason: Why the last one failed, in one line without identifiers.
    """

    instances: str
    attempts: int
    reason: str

    @classmethod
    def read(cls, path: Path) -> Failure:
        """Reads a failure.

        Raises:
            OSError: There is none.
            ValueError: It is not whole.
        """
        tree = _fields(path)
        found = tree.get("instances"), tree.get("attempts"), tree.get("reason")
        if not (isinstance(found[0], str) and isinstance(found[1], int) and isinstance(found[2], str)):
            raise ValueError("has not the fields of a failure")
        return cls(found[0], found[1], found[2])

    def to_bytes(self) -> bytes:
        """Returns the failure as `read` takes it from a file."""
        return json.dumps(asdict(self)).encode()


def digest(instances: Iterable[str]) -> str:
    """Computes one name of several instances, SHA-256 in hexadecimal, whatever their order."""
    return hashlib.sha256("\n".join(sorted(instances)).encode()).hexdigest()


def _fields(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("holds brackets without end") from None
    if not isinstance(tree, dict):
        raise ValueError("holds no fields")
    return tree
