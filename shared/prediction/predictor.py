"""Prediction with a finished run by ONNX Runtime. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.data.copies import copies_text
from shared.errors import DataError, InputRefused, RunError, UsageError
from shared.evaluation.decision.aggregation import aggregate
from shared.evaluation.decision.kinds import why_undecided
from shared.evaluation.decision.length import Length, range_words
from shared.evaluation.decision.ood import Reference, of_series
from shared.evaluation.decision.places import Values, find_places
from shared.prediction.answer import CAUTION, UNDECIDED, Answer, SliceAnswer, with_origins
from shared.prediction.session import judge, open_session, run
from shared.runs.acquisition import differences, not_covered
from shared.runs.certificate import models_among, restated
from shared.runs.folder import ANSWERING, EXPORTED, check_finished
from shared.runs.outside_tests import read_outside_tests
from shared.runs.provenance import Provenance
from shared.runs.record import read_model_record
from shared.runs.seen import Seen
from shared.runs.verdict import read_verdict
from shared.samples import NOT_STATED, UNKNOWN_DOMAIN
from shared.task import Image, Item, Preprocessing

SYNTHETIC_NOTE = "this model was trained on synthetic images; its answer on a real one means nothing"
NOT_SYNTHETIC = (
    "is not known to be synthetic, and the model was trained on synthetic images: its score means nothing for it"
)
"""Why a model of synthetic images does not assess an image: nothing in the file says that a program made it."""

Preprocess = Callable[[NDArray[np.float32], Preprocessing], Image]


class Predictor:
    """Answers inputs with a finished run.

    Args:
        run: A finished run folder; its files are checked against the hashes in `done`.
        task: Name of the application; a run of another one is refused.
        preprocess: The application's deterministic preprocessing.
        threads: Number of threads of the network; None: as many as there are cores.
        chosen_among: Number of models among which this one was chosen on its validation, in all: the run's own (epochs,
            heads, layers) and those of other runs. The certificate allows for them; fewer than the run's own change
            nothing.
        provider: What runs the network, one of `shared.prediction.session.PROVIDERS`.

    Raises:
        UsageError: The run is unfinished or belongs to another application, or the provider is not installed.
        RunError: The run is damaged.
    """

    def __init__(
        self,
        run: Path,
        task: str,
        preprocess: Preprocess,
        *,
        threads: int | None = None,
        chosen_among: int = 1,
        provider: str = "cpu",
    ) -> None:
        check_finished(run, ANSWERING)
        self.run, self.name = run, run.resolve().name
        self.record = restated(read_model_record(run), chosen_among)
        if self.record.task != task:
            raise UsageError(f"{run} is a run of {self.record.task}; `{task}` cannot use it")
        self.chosen_among = chosen_among
        self.verdict, self.provenance = read_verdict(run, self.record).short, Provenance.of(run, self.record)
        self.outside = [kind for test in read_outside_tests(run).values() for kind in test.get("negative_series", [])]
        self.seen, self.reference = Seen.read(run, self.record.copy_rule), Reference.read(run)
        self.preprocess = preprocess
        self.session = open_session(run / EXPORTED, threads, provider)
        self._check_network()

    def _check_network(self) -> None:
        """Checks that the network takes the images, and gives the classes and features, that the record states.

        Raises:
            RunError: It does not: the files are not of one run.
        """
        spec = self.record.preprocessing
        stated = {
            "images": [spec.channels, spec.size, spec.size],
            "probabilities": [len(self.record.classes)],
            "features": [self.reference.features.shape[1]],
            **{f"auxiliary_{name}": [len(answers)] for name, answers in self.record.auxiliary.items()},
        }
        there = {one.name: one.shape[1:] for one in (*self.session.get_inputs(), *self.session.get_outputs())}
        for name, shape in stated.items():
            if there.get(name) != shape:
                raise RunError(
                    f"{self.run}/model.onnx has {name} {there.get(name, 'missing')}, and model.json states {shape}: "
                    "they are not of one run; copy it again from where it is whole"
                )

    def each(self, slices: Sequence[NDArray[np.float32]]) -> tuple[SliceAnswer, ...]:
        """Answers raw images one by one, as if each had been given alone.

        Args:
            slices: float32, the raw pixels of each image, as the application reads them; at least one.

        Returns:
            An answer to each image, in the same order and numbered from 1; those unlike the training images
            too, with their out-of-distribution scores.

        Raises:
            DataError: An image cannot be preprocessed.
        """
        return self._slices(*self.judge(self._prepared(slices, [])))

    def judge(self, images: Iterable[Image]) -> tuple[Values, Values]:
        """Computes class probabilities and out-of-distribution scores of preprocessed images.

        Args:
            images: float32 [channels, size, size] each, at least one; they may be made as they are asked for.

        Returns:
            Probabilities, float64 [N, classes], 0 to 1, and out-of-distribution scores, float64 [N], 0 to 2.
        """
        return judge(self.session, self.reference, images)

    def auxiliary(self, images: Sequence[Image]) -> dict[str, dict[str, float]]:
        """Computes the answers to the model's auxiliary tasks, averaged over slices, in a pass of its own.

        Args:
            images: float32 [channels, size, size] each, the slices of one input, at least one.

        Returns:
            For each auxiliary task, by name, the probability of each of its answers; empty where the model has none.
        """
        if not self.record.auxiliary:
            return {}
        names = [f"auxiliary_{name}" for name in self.record.auxiliary]
        means = [rows.mean(axis=0).tolist() for rows in run(self.session, names, images)]
        answers = self.record.auxiliary.items()
        return {name: dict(zip(labels, mean, strict=True)) for (name, labels), mean in zip(answers, means, strict=True)}

    def assess(self, item: Item) -> Answer:
        """Answers one input: an image or a series.

        Args:
            item: The input, with its slices, or with the reason why it is refused.

        Returns:
            The answer, with status "assessed"; "refused", with the reason, where the input cannot be judged (no image,
            an image that cannot be preprocessed, no finite probability); "not assessed", with raw scores and no
            decision, where it is unlike the training images, or where these were synthetic and it is not known to be;
            or "not decided", where it is a series of a kind of which no negative one was judged.
        """
        return with_origins(replace(self._answer(item), provenance=self.provenance), item)

    def _answer(self, item: Item) -> Answer:
        """The answer without where model and slices come from."""
        if item.refusal is not None:
            return self._refused(item, item.refusal)
        if not item.slices:
            return self._refused(item, "holds no image")
        images: list[Image] = []
        try:
            rows, ood = self.judge(self._prepared(item.slices, images))
        except (InputRefused, DataError) as error:
            return self._refused(item, str(error))
        if not (np.isfinite(rows).all() and np.isfinite(ood).all()):
            return self._refused(item, "the network gave no finite probability")
        if (reason := self._why_not(item, of_series(ood))) is not None:
            return self._not_assessed(item, rows, ood, reason)
        return replace(self._assessed(item, rows, ood, self._seen_note(item.slices)), auxiliary=self.auxiliary(images))

    def _prepared(self, slices: Iterable[NDArray[np.float32]], kept: list[Image]) -> Iterator[Image]:
        """Preprocesses raw images as they are asked for, and adds them to `kept`."""
        for pixels in slices:
            kept.append(self.preprocess(pixels, self.record.preprocessing))
            yield kept[-1]

    def _refused(self, item: Item, reason: str) -> Answer:
        return Answer(
            item.name,
            self.name,
            "refused",
            reason,
            notes=item.notes,
            synthetic_model=self.record.synthetic,
            verdict=self.verdict,
        )

    def _why_not(self, item: Item, score: float) -> str | None:
        """Why an input is not assessed; None where it is."""
        if self.record.synthetic and not item.synthetic:
            return NOT_SYNTHETIC
        threshold = self.record.ood["threshold"]
        if score > threshold:
            return (
                f"is unlike the images that the model was trained on (out-of-distribution score {score:.3f}, allowed "
                f"up to {threshold:.3f})"
            )
        return None

    def _not_assessed(self, item: Item, rows: Values, ood: Values, reason: str) -> Answer:
        """The raw scores without any decision, and why they must not be relied on."""
        whole, positive = self._whole(item, rows)
        return Answer(
            item.name,
            self.name,
            "not assessed",
            reason,
            caution=CAUTION,
            label=self._label(whole),
            probabilities=self._by_class(whole),
            positive_probability=positive,
            threshold=self._threshold(item, rows),
            ood_score=of_series(ood),
            ood_threshold=self.record.ood["threshold"],
            slices=tuple(replace(one, decision=None) for one in self._slices(rows, ood)),
            acquisition=dict(item.acquisition),
            notes=(*item.notes, *self._unseen(item)),
            synthetic_model=self.record.synthetic,
            verdict=self.verdict,
        )

    def _undecided(self, item: Item) -> str | None:
        """Why a series gets no decision; None where it gets one, as a single image always does."""
        length, kinds = Length.of(len(item.slices), item.positions), self.record.negative_series
        if not any(self.record.positive) or length.slices == 1:
            return None
        judged, seen = [*kinds.get("judged", ()), *self.outside], self.record.acquisition
        trained = {name: seen[name]["texts"] if name in seen else [] for name in kinds.get("properties", ())}
        return why_undecided(judged, item.acquisition, length, trained=trained, name=kinds.get("name", "negative"))

    def _whole(self, item: Item, rows: Values) -> tuple[Values, float | None]:
        """Probabilities of the classes, and of the positive event where there is one, of all slices together."""
        flags = np.array(self.record.positive, dtype=bool)
        rule = self.record.aggregation
        whole = aggregate(rows, flags, rule, item.positions)
        return whole, rule.probability(rows[:, flags].sum(axis=1), item.positions) if flags.any() else None

    def _assessed(self, item: Item, rows: Values, ood: Values, notes: tuple[str, ...]) -> Answer:
        flags = np.array(self.record.positive, dtype=bool)
        whole, positive = self._whole(item, rows)
        undecided = self._undecided(item)
        doubts = self._doubts(item) if flags.any() and undecided is None else []
        certified = None if doubts or undecided is not None else self.record.certified_sensitivity
        synthetic = [SYNTHETIC_NOTE] if self.record.synthetic else []
        threshold = self.record.ood["threshold"]
        strange = int((ood > threshold).sum())
        if strange:
            notes = (*notes, f"{strange} of {len(ood)} slices (~) are unlike the images that the model was trained on")
        decision = (
            None
            if undecided is not None
            else self._decision(float(whole.max()) if positive is None else positive, self._threshold(item, rows))
        )
        slices = self._slices(rows, ood)
        return Answer(
            item.name,
            self.name,
            "assessed" if undecided is None else "not decided",
            undecided,
            caution=None if undecided is None else UNDECIDED,
            label=self._label(whole),
            decision=decision,
            probabilities=self._by_class(whole),
            positive_probability=positive,
            threshold=self._threshold(item, rows),
            certified_sensitivity=certified,
            chosen_among=None if certified is None else models_among(self.record),
            ood_score=of_series(ood),
            ood_threshold=threshold,
            slices=slices,
            acquisition=dict(item.acquisition),
            notes=(*self._against(decision, slices), *item.notes, *self._unseen(item), *synthetic, *notes, *doubts),
            synthetic_model=self.record.synthetic,
            verdict=self.verdict,
            series_rule=self.record.aggregation.rule if len(slices) > 1 and positive is not None else None,
        )

    def _against(self, decision: str | None, slices: Sequence[SliceAnswer]) -> list[str]:
        """A note where slices of a negative series are positive on their own: a small finding shows on few of them."""
        alone = [str(one.number) for one in slices if one.decision == "positive"]
        if decision != "negative" or not alone:
            return []
        return [
            f"POSITIVE SLICE IN A NEGATIVE SERIES: alone, {len(alone)} of {len(slices)} slices would be positive "
            f"(number {', '.join(alone)}); the series is negative by its rule ({self.record.aggregation.rule})"
        ]

    def _slices(self, rows: Values, ood: Values) -> tuple[SliceAnswer, ...]:
        return tuple(
            SliceAnswer(
                number, self._label(row), self._by_class(row), self._positive(row), self._alone(row), float(strange)
            )
            for number, (row, strange) in enumerate(zip(rows, ood, strict=True), start=1)
        )

    def _unseen(self, item: Item) -> list[str]:
        """Notes on the properties of the acquisition that the training images did not have, or that are not stated."""
        seen = self.record.acquisition
        strange = [one for one in differences(seen, item.acquisition) if one.name in seen]
        notes = [
            f"the {one.name} is {one.found}; the model was trained on images where it is {one.seen}"
            for one in strange
            if one.found != NOT_STATED
        ]
        if unstated := [one.name for one in strange if one.found == NOT_STATED]:
            notes.append(f"the input does not state its {_listed(unstated)}; the training images do")
        return notes

    def _seen_note(self, slices: Sequence[NDArray[np.float32]]) -> tuple[str, ...]:
        """A note where some of the images are copies of those of training or validation.

        Altered copies are searched for at the quarters of a series: whoever alters one slice alters all.
        """
        quarters = {len(slices) * quarter // 4 for quarter in (1, 2, 3)}
        kinds = self.seen.copies(np.stack([self.seen.describe(pixels) for pixels in slices]), quarters)
        if not (count := len(kinds) - kinds.count(None)):
            return ()
        return (
            f"{count} of {len(kinds)} image(s) are copies of images in training or validation of this model "
            f"({copies_text(kinds)})",
        )

    def _doubts(self, item: Item) -> list[str]:
        """The reasons why the certified sensitivity does not hold for this input; empty where it holds."""
        point, doubts = self.record.operating_point, []
        if point is None or self.record.certified_sensitivity is None:
            return ["no sensitivity was certified for this model"]
        length = Length.of(len(item.slices), item.positions)
        if not length.is_like(point):
            own, shortest, longest, unit = length.compared(point)
            usual = f"{range_words(shortest, longest)} {'mm' if unit == 'mm' else 'image(s)'}"
            doubts.append(f"the sensitivity was certified for inputs of {usual} and does not hold for one of {own:.0f}")
        if UNKNOWN_DOMAIN in item.domains:
            # it may be like those of validation or not, also where their origin was not known either
            return [*doubts, "the origin of the input is not known, so that no sensitivity is certified for it"]
        if strange := sorted(set(item.domains) - set(point["domains"])):
            known, others = (", ".join(map(_origin, domains)) for domains in (point["domains"], strange))
            doubts.append(f"the sensitivity was certified for {known} and does not hold for {others}")
        lacking = not_covered(point["acquisition"], item.acquisition)
        doubts += [
            f"the sensitivity was certified where the {one.name} is {one.seen}, and does not hold for {one.found}"
            for one in lacking
            if one.found != NOT_STATED
        ]
        if unstated := [one.name for one in lacking if one.found == NOT_STATED]:
            doubts.append(f"no sensitivity is certified for an input that does not state its {_listed(unstated)}")
        return doubts

    def _threshold(self, item: Item, rows: Values) -> float:
        """The threshold for an input, which is that of images where it shows one place alone."""
        single = len(find_places(rows, item.positions).members) == 1
        return self.record.image_threshold if single else self.record.threshold

    def _decision(self, value: float, threshold: float) -> str:
        """The decision for a positive probability or, without a positive class, for that of the likeliest class."""
        yes, no = ("positive", "negative") if any(self.record.positive) else ("accepted", "rejected")
        return yes if value >= threshold else no

    def _alone(self, row: Values) -> str:
        """The decision for one slice given alone, from its class probabilities."""
        value = self._positive(row)
        return self._decision(float(row.max()) if value is None else value, self.record.image_threshold)

    def _label(self, row: Values) -> str:
        return self.record.classes[int(row.argmax())]

    def _by_class(self, row: Values) -> dict[str, float]:
        return {name: float(value) for name, value in zip(self.record.classes, row, strict=True)}

    def _positive(self, row: Values) -> float | None:
        if not any(self.record.positive):
            return None
        return float(row[np.array(self.record.positive)].sum())


def _listed(names: Sequence[str]) -> str:
    """Names as people list them: "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _origin(domain: str) -> str:
    """The name of a domain for people."""
    return "images of unknown origin" if domain == UNKNOWN_DOMAIN else domain
