"""What a study found: plain data, lines for a person, and the page that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, repr=False)
class Result:
    """The outcome of a study, such as a cross-validation.

    Attributes:
        data: The results as plain data.
        lines: The same in lines for a person, as the command prints them.
        report: The page that shows it (HTML); None where none was written.
    """

    data: Mapping[str, Any]
    lines: tuple[str, ...]
    report: Path | None = None

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def to_json(self) -> dict[str, Any]:
        """Returns the results as plain data, as the command writes them to its JSON file."""
        return dict(self.data)

    def __str__(self) -> str:
        return "\n".join(self.lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from shared.api.notebook import result_html

        return result_html(self)
