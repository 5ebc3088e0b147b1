"""Tables of class attributes: the description by which a classifier recognises a class that it never saw."""

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
"""First cells of the two rows below the header: what each attribute means, and the publication that describes it."""
Values = NDArray[np.float64]


@dataclass(frozen=True)
class AttributeTable:
    """A matrix of classes by attributes, with the meaning and the source of each attribute.

    Attributes:
        classes: Names of the classes, one a row.
        names: Names of the attributes, one a column.
        meanings: What each attribute describes, in a sentence that a reader can check.
        sources: Publication that describes each attribute.
        values: float64 [classes, attributes], 0 (absent) to 1 (present); between: present in some members of the
            class, or in part.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    meanings: tuple[str, ...]
    sources: tuple[str, ...]
    values: Values

    def signatures(self, classes: Sequence[str]) -> Values:
        """Selects the attribute vectors of some classes, float64 [len(classes), attributes], in the order given.

        Args:
            classes: Names of classes of the table.

        Raises:
            UnknownNameError: A class has no row in the table.
        """
        row = {name: i for i, name in enumerate(self.classes)}
        for name in classes:
            if name not in row:
                raise UnknownNameError(
                    f"the attribute table has no class {name!r}; it has {', '.join(self.classes)}. Add a row for it"
                )
        return self.values[[row[name] for name in classes]]

    def randomised(self, seed: int) -> AttributeTable:
        """Makes a control table in which the values of each attribute are permuted among the classes.

        Each column is permuted by itself: attributes keep their frequency, but no longer describe the class.

        Args:
            seed: Seed of the permutations.

        Returns:
            A new table; this one is left as it is.
        """
        random = generator(seed, "random attributes")
        columns = [random.permutation(column) for column in self.values.T]
        return replace(self, values=np.stack(columns, axis=1))


def read_table(path: Path) -> AttributeTable:
    """Reads an attribute table from CSV: the header `class`, rows `meaning` and `source`, then one row for each class.

    Args:
        path: A UTF-8 file; the header names the attributes, every other cell of a class is a number, 0 to 1.

    Raises:
        DataError: A cell is empty or not within 0 to 1, a name occurs twice, or two classes have the same row.
    """
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    if len(rows) < 4 or [row[0] for row in rows[:3] if row] != ["class", MEANING, SOURCE]:
        raise DataError(
            f"{path.name} must begin with the rows class, {MEANING} and {SOURCE}, then have one row for each class"
        )
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]) or not all(cell.strip() for cell in row):
            filled = sum(bool(cell.strip()) for cell in row)
            raise DataError(
                f"{path.name}, row {number}: {filled} of {len(row)} cells are filled; {len(rows[0])} are needed, none "
                "of them empty"
            )
    names, classes = tuple(rows[0][1:]), tuple(row[0] for row in rows[3:])
    for listed in (names, classes):
        if repeated := {name for name in listed if listed.count(name) > 1}:
            raise DataError(f"{path.name}: {', '.join(sorted(repeated))} occurs more than once; names must be unique")
    values = np.array([[_read_value(cell, row[0], path) for cell in row[1:]] for row in rows[3:]])
    for first, second in combinations(range(len(classes)), 2):
        if np.array_equal(values[first], values[second]):
            raise DataError(
                f"{path.name}: {classes[first]} and {classes[second]} have the same row; add an attribute in which "
                "they differ"
            )
    return AttributeTable(classes, names, tuple(rows[1][1:]), tuple(rows[2][1:]), values)


def _read_value(cell: str, class_name: str, path: Path) -> float:
    """Reads one cell of a class as a number, 0 to 1."""
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not 0 <= value <= 1:
        raise DataError(f"{path.name}, class {class_name}: {cell!r} is not a number from 0 to 1")
    return value
