"""What studies of many runs found: comparisons, adaptations, advice, audits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.api.results import Result
from shared.errors import UsageError

if TYPE_CHECKING:
    from shared.api.run import Run
    from shared.config.schema import Config


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """A comparison of backbones, strategies, label budgets and seeds."""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One dictionary for each backbone, strategy and label budget: its means over seeds, as in `compare.csv`.

        Measures are named by their key (`auc`), with `_spread`, `_low` and `_high` beside.
        """
        import csv
        import io

        from shared.experiments.comparison.text import as_csv

        return [
            {name: _read(value) for name, value in row.items()}
            for row in csv.DictReader(io.StringIO(as_csv(self.data)))
        ]

    @property
    def failed(self) -> bool:
        """Whether a run failed; `lines` say which and why, and the same call tries it again."""
        return any(row["failures"] for row in self.data["rows"])

    def to_frame(self) -> Any:
        """Returns `rows` as a `pandas.DataFrame`.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError:
            raise UsageError("to_frame() needs pandas: pip install pandas; `rows` gives the same without it") from None
        return pandas.DataFrame(self.rows)

    def _repr_html_(self) -> str:
        from shared.api.notebook import comparison_html

        return comparison_html(self)


def _read(text: str) -> str | float | bool | None:
    """The value of a cell of the CSV table."""
    if text in ("", "True", "False"):
        return {"": None, "True": True, "False": False}[text]
    try:
        return float(text)
    except ValueError:
        return text


@dataclass(frozen=True, repr=False)
class Adaptation(Result):
    """An adaptation to a target.

    Attributes:
        kept: The run that was chosen; that of the source alone unless two rules say that adapting is better.
    """

    kept: Run = field(kw_only=True)


@dataclass(frozen=True, repr=False)
class Advice(Result):
    """Advice on a dataset.

    Attributes:
        config: The advised configuration.
    """

    config: Config = field(kw_only=True)


@dataclass(frozen=True, repr=False)
class Audit(Result):
    """An audit of data.

    Attributes:
        refusals: Reasons for which training would refuse the data; empty where it would take them.
    """

    refusals: tuple[str, ...] = field(kw_only=True)


def names_in(value: object, name: str) -> tuple[str, ...]:
    """Returns an argument that is one name or several as names.

    Args:
        value: What was given.
        name: Name of the argument, for the message.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Sequence) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise TypeError(f"{name} is {value!r} ({type(value).__name__}); give a name, or a list of names")
