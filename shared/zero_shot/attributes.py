"""A table of attributes: what each class looks like, in words and numbers, so that one never seen can be recognised."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataError, UnknownNameError
from shared.seeding import generator

MEANING, SOURCE = "meaning", "source"
"""The first two rows of the file, under the names of the attributes."""
Values = NDArray[np.float64]


@dataclass(frozen=True)
class AttributeTable:
    """Classes by attributes.

    Attributes:
        classes: Names, one a row.
        names: Of the attributes, one a column.
        meanings: What each says, for a reader who checks it.
        sources: Where it is described.
        values: float64 [classes, attributes], 0 (absent) to 1 (present); between: in some, or in part.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    meanings: tuple[str, ...]
    sources: tuple[str, ...]
    values: Values

    def of(self, classes: Sequence[str]) -> Values:
        """The rows of some classes, float64 [len(classes), attributes].

        Raises:
            UnknownNameError: The table has no such class.
        """
        row = {name: i for i, name in enumerate(self.classes)}
        for name in classes:
            if name not in row:
                raise UnknownNameError(
                    f"the attribute table has no class {name!r}; it has {', '.join(self.classes)}. Add a row to it"
                )
        return self.values[[row[name] for name in classes]]

    def randomised(self, seed: int) -> AttributeTable:
        """The control: each attribute keeps its frequency, but the classes that have it are drawn anew."""
        random = generator(seed, "random attributes")
        columns = [random.permutation(column) for column in self.values.T]
        return replace(self, values=np.stack(columns, axis=1))


def read_table(path: Path) -> AttributeTable:
    """Reads a CSV: a header `class` and the attributes, a row `meaning`, a row `source`, then a row a class.

    Raises:
        DataError: A value is missing or not within 0 to 1, a name stands twice, or two classes look alike.
    """
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    if len(rows) < 4 or [row[0] for row in rows[:3] if row] != ["class", MEANING, SOURCE]:
        raise DataError(f"{path.name} must begin with the rows class, {MEANING} and {SOURCE}, then a row a class")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]) or not all(cell.strip() for cell in row):
            raise DataError(f"{path.name}, row {number}: {len(rows[0])} cells are needed, none of them empty")
    names, classes = tuple(rows[0][1:]), tuple(row[0] for row in rows[3:])
    for listed in (names, classes):
        if twice := {name for name in listed if listed.count(name) > 1}:
            raise DataError(f"{path.name}: {', '.join(sorted(twice))} stands more than once")
    values = np.array([[_value(cell, row[0], path) for cell in row[1:]] for row in rows[3:]])
    for one, other in combinations(range(len(classes)), 2):
        if np.array_equal(values[one], values[other]):
            raise DataError(f"{path.name}: {classes[one]} and {classes[other]} have the same row; tell them apart")
    return AttributeTable(classes, names, tuple(rows[1][1:]), tuple(rows[2][1:]), values)


def _value(cell: str, name: str, path: Path) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not 0 <= value <= 1:
        raise DataError(f"{path.name}, class {name}: {cell!r} is no number within 0 to 1")
    return value
