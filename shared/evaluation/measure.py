"""What is known of a measure: its name, its meaning, the tables that show it, and how it is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from shared.evaluation.cases import Cases
from shared.registry import Registry


class Tasks(Enum):
    """The tasks for which a measure is defined."""

    ALL = "all"
    SCREENING = "screening"
    """Tasks with a positive event."""
    CLASSES = "classes"
    """Tasks without one, in which an unsure answer is rejected."""


class Block(Enum):
    """The parts of a result, as `shared.evaluation.evaluate.evaluate` gives it."""

    IMAGES = "images"
    GROUPS = "by_group"
    """Patients, or other groups of images."""
    LIKELIEST = "argmax"
    """Images, decided by their likeliest class."""
    DOMAINS = "domains"


class Table(Enum):
    """The tables that show measures."""

    REPORT = "report"
    """Report, model card and the page that compares two runs."""
    SUMMARY = "summary"
    """The lines in a terminal after `train` and `evaluate`; rows of the report."""
    DOMAINS = "domains"
    ABSTENTION = "abstention"
    """Images that are left when those unlike the training images are not assessed."""
    COMPARISON = "comparison"
    ADAPTATION = "adaptation"
    LEAVE_OUT = "leave-out"
    """Cross-validation that leaves one domain out at a time."""
    CROSS_VALIDATION = "cross-validation"
    """Cross-validation by folds, pooled: only for measures of decisions, as scores of two models do not compare."""


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        key: Its name in `report.json` and other files.
        title: Its name in the rows of a report; it says how the measure is counted.
        heading: Its short name, as the heading of a column.
        meaning: One sentence for readers of a report.
        higher_is_better: None where neither direction is better.
        compute: Function from cases to the measure: a dictionary with `value`, `low` and `high` of the 95% interval,
            `interval` (how that was made) and `n`, or with `value` None and a `reason`; or a plain number. None leaves
            the measure out, for example PPV at a prevalence where none is stated, or what only groups have. Tables
            other than REPORT and SUMMARY take dictionaries alone.
        tasks: Tasks for which it is defined.
        blocks: Parts of a result that hold it.
        tables: Tables that show it, each with its place there; lower places come first.
    """

    key: str
    title: str
    heading: str
    meaning: str
    higher_is_better: bool | None
    compute: Callable[[Cases], Any]
    tasks: Tasks = Tasks.SCREENING
    blocks: frozenset[Block] = frozenset({Block.IMAGES})
    tables: Mapping[Table, int] = field(default_factory=dict)

    def defined_for(self, cases: Cases) -> bool:
        """Tells whether the measure is defined for the task of these cases, with or without a positive event."""
        return self.tasks is Tasks.ALL or (self.tasks is Tasks.SCREENING) == cases.screening

    @property
    def direction(self) -> str:
        """The better direction of values in words: "higher is better", "lower is better", or "" where neither is."""
        if self.higher_is_better is None:
            return ""
        return "higher is better" if self.higher_is_better else "lower is better"


MEASURES: Registry[Measure] = Registry("measure", "shared.evaluation.measures")


def add(measure: Measure) -> None:
    """Registers a measure under its key, so that results and tables contain it."""
    MEASURES.add(measure.key, measure)


def everywhere(place: int) -> dict[Table, int]:
    """Makes the `tables` of a measure that all tables show.

    Args:
        place: Place of the measure in each table; lower places come first.

    Returns:
        The same place for each member of `Table`.
    """
    return dict.fromkeys(Table, place)


def measures_in(table: Table) -> list[Measure]:
    """Lists the registered measures that a table shows, in the order of their places; empty where it shows none."""
    found = [(measure.tables[table], measure) for measure in _all() if table in measure.tables]
    return [measure for _, measure in sorted(found, key=lambda pair: pair[0])]


def compute(block: Block, cases: Cases) -> dict[str, Any]:
    """Computes the measures that belong to one part of a result and are defined for the task of the cases.

    Args:
        block: The part of a result, for example by image or by group.
        cases: The cases on which the measures are computed.

    Returns:
        The measures by key, each as `Measure.compute` gives it. A measure whose `compute` gives None (PPV at a stated
        prevalence where none is stated) is left out.
    """
    values = {
        measure.key: measure.compute(cases)
        for measure in _all()
        if block in measure.blocks and measure.defined_for(cases)
    }
    return {key: value for key, value in values.items() if value is not None}


def _all() -> list[Measure]:
    return [MEASURES.get(key) for key in MEASURES]
