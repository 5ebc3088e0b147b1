"""What every layout writes of a model: its record, card, licences, measures and network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import UsageError
from shared.evaluation.measure import Measure, Table, measures_in
from shared.evaluation.text import disclaimers
from shared.io.atomic import read_json
from shared.models.licences import IMAGES_UNKNOWN, licences_of_first_weights
from shared.runs.folder import check_finished, is_released, require_whole
from shared.runs.record import ModelRecord, read_model_record
from shared.runs.released import Release
from shared.task import Task

UNITS = {"by image": None, "by group": "by_group"}
"""Key of the measures of the test in each unit; None: they stand at the top."""


@dataclass(frozen=True)
class Score:
    """One measure of the test set.

    Attributes:
        measure: What was measured.
        unit: What was counted: "by image" or "by group".
        value: The value.
        low: Lower end of the 95% interval; None where there is no interval.
        high: Its upper end.
        count: Number of images or groups.
    """

    measure: Measure
    unit: str
    value: float
    low: float | None
    high: float | None
    count: int

    @property
    def words(self) -> str:
        """Title, unit, interval and number, on one line."""
        interval = "" if self.low is None else f", 95% interval {self.low:.3f} to {self.high:.3f}"
        return f"{self.measure.title}, {self.unit}{interval}, n = {self.count}"


@dataclass(frozen=True)
class Model:
    """A finished run, as it is exported.

    Attributes:
        task: The application.
        folder: The run folder.
        name: Name of the run, or of the released model.
        record: Its model record.
        card: Its model card, Markdown.
        licence: Licence of the model by its short name; None: it is not stated.
        licences: All that is known of licences, a line each.
        warnings: Sentences that everyone who uses the model must read.
        scores: Measures of the test set; none where it was not tested.
        packages: Versions of the packages that trained it, by name.
    """

    task: Task
    folder: Path
    name: str
    record: ModelRecord
    card: str
    licence: str | None
    licences: tuple[str, ...]
    warnings: tuple[str, ...]
    scores: tuple[Score, ...]
    packages: Mapping[str, str]


def read_model(task: Task, run: Path, licence: str | None) -> Model:
    """Reads what is exported of a finished run.

    Args:
        task: The application.
        run: The run folder.
        licence: Licence of the model by its short name; None: it is not stated.

    Raises:
        UsageError: The run is unfinished or of another application.
        RunError: The run is damaged.
    """
    check_finished(run)
    require_whole(run)
    record = read_model_record(run)
    if record.task != task.name:
        raise UsageError(f"{run} is a run of {record.task}; export it with `{record.task} export`")
    task.register_backbones()
    report = read_json(run / "report.json")
    if is_released(run):
        licences: tuple[str, ...] = Release.read(run).licences
    else:
        licences = (*licences_of_first_weights(record), IMAGES_UNKNOWN)
    stated = () if licence is None else (f"The model: {licence}",)
    return Model(
        task=task,
        folder=run,
        name=run.resolve().name,
        record=record,
        card=(run / "model_card.md").read_text(encoding="utf-8"),
        licence=licence,
        licences=(*stated, *licences),
        warnings=tuple(disclaimers(task, record.synthetic)),
        scores=_scores(report.get("test", {})),
        packages=read_json(run / "environment.json").get("packages", {}),
    )


def _scores(test: Mapping[str, Any]) -> tuple[Score, ...]:
    """The measures of the report's summary that have a value, by image and by group."""
    found = []
    for unit, key in UNITS.items():
        block = test if key is None else test.get(key, {})
        for measure in measures_in(Table.SUMMARY):
            one = block.get(measure.key)
            if isinstance(one, dict) and one.get("value") is not None:
                found.append(Score(measure, unit, one["value"], one.get("low"), one.get("high"), one["n"]))
    return tuple(found)
