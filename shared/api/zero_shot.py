"""Recognises classes without training images, in several trials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from shared.api.results import Result
from shared.errors import UsageError
from shared.io.writes import make_folder

if TYPE_CHECKING:
    from shared.config.schema import Config
    from shared.progress import Progress
    from shared.task import Task
    from shared.zero_shot.features import SideInformation, StudyData

    Trials: TypeAlias = Iterable[tuple[StudyData, Sequence[str]]]

ALL_METHODS = "all"
DRAWS, DIVISIONS = 5, 1


@dataclass(frozen=True)
class Question:
    """Which classes are unseen, how often that is tried, and how.

    Attributes:
        unseen: Names of the unseen classes; empty: they are drawn.
        draw: Number of classes to draw.
        seeds: Number of draws, or of divisions of the data where the classes are named; None: `DRAWS` or `DIVISIONS`.
        model: Folder of a finished run that gives the features; None: the configuration's backbone.
        methods: Names of methods, joined by commas, or "all".
        out: Folder for the results; None: nothing is written.
    """

    unseen: tuple[str, ...]
    draw: int
    seeds: int | None
    model: Path | None
    methods: str
    out: Path | None


def method_names(known: SideInformation) -> Sequence[str]:
    """Lists the methods that can be used with what is known of the classes.

    Args:
        known: What is known of the classes.
    """
    from shared.zero_shot.study import parse_methods

    return parse_methods(ALL_METHODS, known)


def study_unseen(
    task: Task, config: Config, known: SideInformation, question: Question, root: Path, progress: Progress
) -> Result:
    """Tries every method in every trial, and writes the results where a folder is named.

    Args:
        task: The application.
        config: The configuration.
        known: What is known of the classes.
        question: Which classes are unseen, how often that is tried, and how.
        root: Folder of runs, for synthetic data.
        progress: Called with (what, done, total, note).

    Raises:
        UsageError: The configuration and the model both say how features are made, or a class or method is not known.
        MedtlError: The data cannot be read.
    """
    from shared.evaluation.text import disclaimers
    from shared.zero_shot.report import write_study
    from shared.zero_shot.study import describe_study

    _check_model(config, question.model)
    make_folder(question.out)
    tree = _study(task, config, known, question, root, progress)
    lines = (*disclaimers(task, tree["synthetic"]), *describe_study(tree))
    if question.out is None:
        return Result(tree, lines)
    write_study(tree, task, question.out)
    return Result(tree, lines, question.out / "zero_shot.html")


def _check_model(config: Config, model: Path | None) -> None:
    """Refuses a configured backbone, or preprocessing, together with a run that takes their place.

    Raises:
        UsageError: The configuration names a backbone or preprocessing, and a run is given.
    """
    stated = {
        "backbone": config.model_fields_set,
        "data.options": {f"data.{key}" for key in config.data.model_fields_set},
    }
    idle = [key for key, keys in stated.items() if key in keys]
    if model is not None and idle:
        raise UsageError(f"--model and the configuration's {idle[0]} both say how features are made; give one of them")


def _study(
    task: Task, config: Config, known: SideInformation, question: Question, root: Path, progress: Progress
) -> dict[str, Any]:
    """Tries every method in every trial; plain data."""
    from shared.pipeline.preflight import preflight
    from shared.zero_shot.features import extract_study_data, extractor_of, repeated_splits
    from shared.zero_shot.study import draw_classes, parse_methods, study

    names = parse_methods(question.methods, known)
    seeds = question.seeds or (DIVISIONS if question.unseen else DRAWS)
    experiment = preflight(task, config)
    extractor = extractor_of(experiment, question.model)

    def trials() -> Trials:
        if question.unseen:
            extractor.check_unseen(question.unseen)
            return repeated_splits(experiment, known, extractor, question.unseen, seeds, root=root, progress=progress)
        data = extract_study_data(experiment, known, extractor, root=root, progress=progress)
        among = [name for name in data.classes if name not in extractor.learnt]
        return ((data, draw_classes(among, question.draw, seed)) for seed in range(seeds))

    return study(task, known, trials(), names, progress)
