"""A finished run: its measures, its verdict, and what can be done with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.api.answers import Answers, Extend, Judged
from shared.api.arguments import AnyPath, Settings, optional_path, path_of, paths_of, real_of, words_of
from shared.api.guard import in_words_of_python, worded
from shared.api.metrics import Metrics
from shared.errors import UsageError
from shared.progress import Showing, showing

if TYPE_CHECKING:
    from shared.api.evaluating import Evaluation
    from shared.evaluation.verdict import Verdict
    from shared.prediction.predictor import Predictor
    from shared.runs.provenance import Provenance
    from shared.runs.record import ModelRecord
    from shared.runs.released import Release
    from shared.task import Task

EXPLAINED = "explained"
"""Folder of explanations, where none is named."""


class Run:
    """A finished run, or a model that comes with the package. `train` and `load_run` give one.

    It may be given wherever the folder of a run is taken: `medtl.ensemble([one, other])`.

    Args:
        task: The application.
        folder: The run folder, checked to be finished.
        root: Folder of runs.
        chosen_among: Number of models among which this one was chosen on its validation.
        why: Why it answers where nobody named it; empty where somebody did.
        notes: Lines that belong to its results, such as what a mean of runs costs.
        provider: What runs its network, as `Run.on` takes it.

    Attributes:
        folder: The run folder.
        name: Name of the run.
    """

    def __init__(
        self,
        task: Task,
        folder: Path,
        root: Path,
        *,
        chosen_among: int = 1,
        why: str = "",
        notes: Sequence[str] = (),
        provider: str = "cpu",
    ) -> None:
        self.task, self.folder, self.root = task, folder, root
        self.name = folder.resolve().name
        self.chosen_among, self.why, self.notes, self.provider = chosen_among, why, tuple(notes), provider

    def __fspath__(self) -> str:
        return str(self.folder)

    @cached_property
    def record(self) -> ModelRecord:
        """What is recorded of the model: classes, preprocessing, threshold, certificate."""
        from shared.runs.certificate import restated
        from shared.runs.record import read_model_record

        return restated(read_model_record(self.folder), self.chosen_among)

    @property
    def verdict(self) -> Verdict:
        """What the run is fit for; `str(run.verdict)` is one line. Read anew each time, as tests may be added."""
        from shared.runs.verdict import read_verdict

        return read_verdict(self.folder, self.record)

    @property
    def metrics(self) -> Metrics:
        """Measures of the run's own test by name, each with `value`, `low`, `high` (95% interval) and `n`."""
        return Metrics(self.to_json().get("test") or {})

    @property
    def provenance(self) -> Provenance:
        """When and on what it was trained; `provenance.words` is one line."""
        from shared.runs.provenance import Provenance

        return Provenance.of(self.folder, self.record)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the network's outputs."""
        return self.record.classes

    @property
    def is_released(self) -> bool:
        """Whether it comes with the package; nothing is written into it then."""
        from shared.runs.folder import is_released

        return is_released(self.folder)

    @property
    def report(self) -> Path:
        """The page of the results (HTML); of a model that comes with the package, its model card (Markdown)."""
        return self.folder / ("model_card.md" if self.is_released else "report.html")

    @property
    def shown_name(self) -> str:
        """What a person calls it: its folder, or the name alone of a model that comes with the package."""
        return shown_name(self.folder)

    @property
    def lines(self) -> tuple[str, ...]:
        """What it is fit for, its main results, and where its report is, in lines for a person."""
        name = "model card" if self.is_released else "report"
        from shared.runs.verdict import read_verdict

        stated = read_verdict(self.folder).lines  # as trained, whatever lies beside it
        return (*stated, *self.to_json()["summary"], f"{name}: {self.report}", *self.notes)

    @property
    def introduction(self) -> list[str]:
        """Lines that stand before answers: which run it is, what it is fit for, when and on what it was trained."""
        from shared.prediction.text import acceptance

        why = f" ({self.why}; {worded('another by --model RUN')})" if self.why else ""
        lines = [
            f"model: {self.shown_name}{why}",
            f"fit for: {self.predictor.verdict}",
            self.predictor.provenance.words,
        ]
        if self.record.rejection is not None:
            lines.append(f"accepted from a probability of {self.record.threshold:.4f}: {acceptance(self.record)}")
        return lines

    @cached_property
    def predictor(self) -> Predictor:
        """The opened network, which runs in ONNX Runtime and needs no torch."""
        from shared.prediction.predictor import Predictor

        return Predictor(
            self.folder,
            self.task.name,
            self.task.preprocess,
            chosen_among=self.chosen_among,
            provider=self.provider,
        )

    @in_words_of_python
    def on(self, provider: str) -> Run:
        """Returns the same run, whose network another execution provider of ONNX Runtime runs.

        Args:
            provider: "cpu"; "cuda", with the package onnxruntime-gpu; or "openvino", with onnxruntime-openvino.

        Raises:
            UsageError: It is not installed.
        """
        from shared.prediction.session import check_provider

        if provider == self.provider:
            return self
        check_provider(provider)
        return Run(
            self.task,
            self.folder,
            self.root,
            chosen_among=self.chosen_among,
            why=self.why,
            notes=self.notes,
            provider=provider,
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the content of the run's `report.json`: `verdict`, `summary`, `notes` and `test`.

        Raises:
            RunError: The file is missing or damaged.
        """
        from shared.io.atomic import read_json

        return read_json(self.folder / "report.json")

    @in_words_of_python
    def predict(
        self,
        paths: AnyPath | Sequence[AnyPath],
        *,
        out: AnyPath | None = None,
        extend: Extend | None = None,
        each: Callable[[Judged], object] | None = None,
        names: Mapping[AnyPath, str] | None = None,
        progress: Showing = True,
    ) -> Answers:
        """Answers inputs: images, series, volumes, or folders and zips of them.

        Args:
            paths: One path, or several.
            out: Folder for `predictions.jsonl`; None: nothing is written.
            extend: Adds to each answer: it gets the item, the answer, the model's record and the explanations, and
                returns plain data for the JSON and lines for a person.
            each: Called with each answer as soon as there is one, for long lists.
            names: What answers say in place of some folders, such as those of copies that are deleted.
            progress: Whether progress is shown; or the function that shows it.

        Returns:
            One answer for each input, in order. An input that must not be judged has a refusal as its answer.

        Raises:
            UsageError: A path does not exist.
            TypeError: An argument has the wrong type.
        """
        return self._judge(paths, out, None, extend, each, names, progress)

    @in_words_of_python
    def explain(
        self,
        paths: AnyPath | Sequence[AnyPath],
        *,
        method: str | None = None,
        target: str | None = None,
        checks: bool = True,
        cascade: bool = False,
        out: AnyPath = EXPLAINED,
        extend: Extend | None = None,
        each: Callable[[Judged], object] | None = None,
        names: Mapping[AnyPath, str] | None = None,
        progress: Showing = True,
        **more: Any,
    ) -> Answers:
        """Answers inputs, and shows which pixels moved each answer. It shows no place of a finding. Needs torch.

        Args:
            paths: One path, or several.
            method: Attribution method (`grad-cam`, ...); None: the default.
            target: The class to explain; None: that of the answer.
            checks: Whether each map is checked, which takes seconds.
            cascade: Whether each map is also compared with those of the network made random stage by stage.
            out: Folder for pictures (PNG), raw maps (`.npy`, float32 [size, size], signed) and `predictions.jsonl`.
            extend: As in `predict`.
            each: As in `predict`.
            names: As in `predict`.
            progress: Whether progress is shown; or the function that shows it.
            more: Options of the application, such as `slices` of medtl: number of slices of a series to explain.

        Returns:
            The answers; `answers.explanations` has the maps.

        Raises:
            UsageError: A path does not exist, or there is no such method or class.
            TypeError: An argument has the wrong type.
        """
        explaining = {"method": method, "target": target, "checks": checks, "cascade": cascade, **more}
        return self._judge(paths, path_of("out", out), explaining, extend, each, names, progress)

    def _judge(
        self,
        paths: AnyPath | Sequence[AnyPath],
        out: AnyPath | None,
        explaining: Mapping[str, Any] | None,
        extend: Extend | None,
        each: Callable[[Judged], object] | None,
        names: Mapping[AnyPath, str] | None,
        progress: Showing,
    ) -> Answers:
        from shared.api.judging import Request, judge

        request = Request(paths_of("paths", paths), optional_path("out", out), explaining, extend, each, names)
        with showing(progress) as shown:
            return judge(self.task, self.predictor, request, shown)

    @in_words_of_python
    def evaluate(
        self,
        data: AnyPath | None = None,
        *,
        settings: Settings | None = None,
        known_only: bool = False,
        versus: AnyPath | None = None,
        prevalence: float | None = None,
        miss_cost: float | None = None,
        out: AnyPath | None = None,
        progress: Showing = True,
    ) -> Evaluation:
        """Evaluates the run on labelled data that it has not seen, at its own threshold; or gives its own test.

        Images that it was trained on are left out. The result on other data is kept in the run, and its verdict names
        it from then on.

        Args:
            data: Folder, zip or manifest; None: the run's own test, which is not computed again.
            settings: What folders or labels of the data mean that are not known, such as
                `{"data.classes.pred": "leave_out"}`.
            known_only: Whether images of classes that the run does not know are left out.
            versus: A run, by folder or name, to compare with on the test images that both share; without `data`.
            prevalence: Share of positive inputs, above 0 and below 1, at which PPV and NPV are given too.
            miss_cost: Cost of a missed positive, in false alarms.
            out: Folder for `evaluation.json`; None: nothing is written.
            progress: Whether progress is shown; or the function that shows it.

        Raises:
            UsageError: The arguments do not go together, or the data do not exist.
            DataError: The data cannot be read, or no image is left.
            TypeError: An argument has the wrong type.
        """
        from shared.api.evaluating import check_purpose, evaluate_on, own_test, written
        from shared.io.writes import make_folder

        stated = {
            name: real_of(name, value)
            for name, value in (("prevalence", prevalence), ("miss_cost", miss_cost))
            if value is not None
        }
        if prevalence is not None and not 0 < prevalence < 1:
            raise UsageError(f"prevalence is {prevalence}; it is a share above 0 and below 1")
        if miss_cost is not None and not 0 < miss_cost < math.inf:
            raise UsageError(f"miss_cost is {miss_cost}; give a number of false alarms above 0")
        source, other, folder = (
            optional_path(name, path) for name, path in (("data", data), ("versus", versus), ("out", out))
        )
        words = words_of(settings)
        check_purpose(source, other, words, [*stated, *["known_only"] * known_only])
        make_folder(folder)
        if source is None:
            return written(own_test(self, other), folder)
        with showing(progress) as shown:
            return written(evaluate_on(self, source, words, stated, known_only=known_only, progress=shown), folder)

    @in_words_of_python
    def use(self) -> Run:
        """Makes the run the default, which answers where no run is named. Returns it, as the default.

        Raises:
            RunError: The run is damaged.
        """
        from shared.runs.chosen import set_default

        chosen = set_default(self.root, self.task.name, self.folder)
        return Run(self.task, chosen.folder, self.root, chosen_among=chosen.chosen_among, why=chosen.why)

    @in_words_of_python
    def add_class(self, name: str, images: AnyPath | Sequence[AnyPath], out: AnyPath) -> Run:
        """Adds a class from a few examples, without training; gives a new run, and leaves this one as it is.

        Args:
            name: Name of the new class.
            images: Examples: one path, or several.
            out: A new folder, for the new run.

        Returns:
            The new run. Nothing is certified of it; its `notes` say what it is worth.

        Raises:
            UsageError: The class is known already, an example cannot be judged, or `out` exists.
            TypeError: An argument has the wrong type.
        """
        from shared.pipeline.add_class import add_class, check_model, describe_addition
        from shared.runs.record import read_model_record

        paths, folder = paths_of("images", images), path_of("out", out)
        check_model(self.task, self.folder)
        items = list(self.task.read_inputs(paths))
        if refused := [item for item in items if item.refusal is not None]:
            raise UsageError(f"{refused[0].name} {refused[0].refusal}; give examples that can be judged")
        pixels = [one for item in items for one in item.slices]
        made = add_class(self.task, self.folder, name, pixels, folder)
        notes = [
            worded(line) for line in describe_addition(self.task, name, len(pixels), read_model_record(self.folder))
        ]
        return Run(self.task, made, self.root, notes=notes)

    @in_words_of_python
    def pack(
        self,
        name: str,
        licences: str | Sequence[str],
        *,
        measured: str = "",
        images: AnyPath | None = None,
        out: AnyPath | None = None,
        progress: Showing = True,
    ) -> tuple[Run, Release]:
        """Makes the run a model that comes with the package: small, without pictures and paths.

        Args:
            name: Name of the model, such as "brain-mri".
            licences: Licences of the model and of its data, a line each.
            measured: What was measured of the model apart from its run, Markdown for a section of its model card.
            images: Images on which the model is compared with the run; None: those of the run.
            out: Folder in which the model's folder is made; None: that of the package.
            progress: Whether progress is shown; or the function that shows it.

        Returns:
            The model, and what packing changed.

        Raises:
            UsageError: The run cannot be packed, or the name is not allowed.
            TypeError: An argument has the wrong type.
        """
        from shared.api.studies import names_in
        from shared.pipeline.pack import pack
        from shared.runs.named import released_root

        source, root = optional_path("images", images), optional_path("out", out) or released_root(self.task.name)
        stated = names_in(licences, "licences")
        if Path(name).name != name:
            raise UsageError(f"{name!r} is no name for a model but a path; `out` says where the folder is made")
        if root is None:
            raise UsageError(f"the package {self.task.name} is not found; name a folder by `out`")
        with showing(progress) as shown:
            release = pack(
                self.task,
                self.folder,
                root / name,
                licences=stated,
                measured=measured,
                images=source,
                root=self.root,
                progress=shown,
            )
        return Run(self.task, root / name, self.root), release

    @in_words_of_python
    def export(self, layout: str, out: AnyPath, *, licence: str | None = None) -> Path:
        """Writes the run into a new folder in the layout of others; nothing is uploaded.

        Args:
            layout: "monai" for a MONAI bundle, "huggingface" for a repository of the Hugging Face Hub.
            out: A new folder.
            licence: Licence of the model by its short name ("apache-2.0"); None: it is not stated.

        Returns:
            The folder.

        Raises:
            UsageError: There is no such layout, or the run cannot be written so.
            DataError: The folder holds something.
            TypeError: An argument has the wrong type.
        """
        from shared.exports import export

        folder = path_of("out", out)
        export(self.task, self.folder, folder, layout=layout, licence=licence)
        return folder

    def __repr__(self) -> str:
        return f"<Run {self.name}: {self.verdict.short}>"

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        from shared.api.notebook import run_html

        return run_html(self)


def shown_name(folder: Path) -> str:
    """Returns what a person calls a run: its folder, or the name alone of a model that comes with the package.

    Args:
        folder: The run folder.
    """
    from shared.runs.folder import is_released

    return folder.name if is_released(folder) else str(folder)
