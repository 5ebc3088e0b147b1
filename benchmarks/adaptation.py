"""One seed of an adaptation study, from splits to accuracies: every method, the label-free choice, oracle and bound."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.adaptation.criteria import DRAWS
from shared.adaptation.label_shift import estimate_prior
from shared.adaptation.reverse_validation import reverse_validation
from shared.config.read import validate
from shared.data.split import Split, unlabelled
from shared.evaluation.calibration import softmax
from shared.evaluation.statistics.intervals import bootstrap
from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width
from shared.seeding import derive_seed
from shared.strategies import find_strategy
from shared.strategies.base import Strategy
from shared.task import Image, Preprocessing
from shared.training.job import Job, Target
from shared.training.selection import LABEL_FREE, RULES

TRAINING: Mapping[str, Any] = {"batch_size": 64, "class_weights": "none", "precision": "bf16"}
ALIGNING: Mapping[str, Any] = {"batch_norm": "per_domain", "weight": 1.0}
PHASE: Mapping[str, Any] = {"train": "all", "lr_head": 3e-3, "lr_backbone": 1e-3, "lr_decay": 1.0, "warmup": 0.0}
ESTIMATED = "estimated"
"""Stands for a target prior that is estimated by the model trained on the source alone."""
Parts = Mapping[str, Split]
Scores = NDArray[np.float64]
Measures = dict[str, float]


@dataclass
class EpochScores:
    """Records the class scores of splits after each epoch; called by the trainer."""

    splits: Parts
    strategy: Strategy
    scores: dict[str, list[Scores]] = field(default_factory=dict)

    @torch.no_grad()
    def __call__(self, job: Job, epoch: int) -> None:
        """Records the scores after an epoch."""
        for name, split in self.splits.items():
            rows = torch.cat([job.network.head(features) for features in self.strategy.features(job, split)])
            self.scores.setdefault(name, []).append(rows.double().numpy())


@dataclass(frozen=True)
class Study:
    """A study of adaptation from one source to one target, with one seed.

    Attributes:
        source: Splits "train", "validation" and "test" of the source, with labels.
        target: Splits "train", "validation" and "test" of the target; only oracle and upper bound use their labels.
        classes: Number of classes.
        measure: Measures test scores; called with scores [N, classes] and split of validation, then of the test.
        seed: Seed of weights and draws.
        side: Side of the images, in pixels.
        backbone: Name of the backbone.
        augment: Augments training images of both domains, given an image and a seed; None: no augmentation.
    """

    source: Parts
    target: Parts
    classes: int
    measure: Callable[[Scores, Split, Scores, Split], Measures]
    seed: int
    side: int
    backbone: str = "lenet"
    augment: Callable[[Image, int], Image] | None = None

    def network(self) -> Network:
        """Builds the network with random weights."""
        backbone = build_backbone(self.backbone, layers=None, seed=self.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self.seed, "head"))
            width = feature_width(backbone, backbone.layers, "avg_1x1", 1, self.side)
            network = Network(backbone, backbone.layers, "avg_1x1", width, self.classes)
        return network.to(memory_format=torch.channels_last)

    def trained(
        self, method: str, options: Mapping[str, Any], *, bound: bool = False, back: bool = False
    ) -> tuple[EpochScores, list[dict[str, Any]], float | None]:
        """Trains by one method; returns scores by epoch, history, and reverse validation's accuracy or None."""
        strategy = find_strategy(method)
        chosen = {key: value for key, value in options.items() if key in strategy.options.model_fields}
        if method in ("finetune", "adabn"):
            chosen.pop("batch_norm", None)
        settings = validate(strategy.options, {"name": method, **chosen}, origin=method)
        own = self.target if bound else self.source
        recorder = EpochScores({"validation": own["validation"], "test": self.target["test"]}, strategy)
        hidden = None
        if not bound:
            hidden = Target(*(unlabelled(self.target[name]) for name in ("train", "validation")))
            recorder.splits = {**recorder.splits, "target": hidden.validation}
        with tempfile.TemporaryDirectory() as folder:
            job = Job(
                network=self.network(),
                train=own["train"],
                validation=own["validation"],
                classes=tuple(str(i) for i in range(self.classes)),
                miss_costs=(1.0,) * self.classes,
                spec=Preprocessing(self.side),
                content_hash="",
                fingerprint="",
                augment=self.augment,
                seed=self.seed,
                device=torch.device("cpu"),
                folder=Path(folder),
                progress=lambda *_: None,
                target=hidden,
                on_epoch_end=recorder,
            )
            history = strategy.fit(job, settings)
            reverse = reverse_validation(job, strategy, settings, self.network())["accuracy"] if back else None
        return recorder, history, reverse

    def columns(
        self, methods: Mapping[str, tuple[str, Mapping[str, Any]]], epochs: int, rule: str, *, back: bool = False
    ) -> dict[str, Any]:
        """Trains all methods; returns measures of each, of the label-free choice, the oracle and the upper bound."""
        phases = [{**PHASE, "epochs": epochs, "shape": "annealed"}]
        plain = {**TRAINING, "phases": phases, "selection": rule}
        found: dict[str, dict[str, Any]] = {}
        for name, (method, options) in {"source only": ("finetune", {}), **methods}.items():
            started = time.process_time()
            if options.get("target_prior") == ESTIMATED:
                alone = found["source only"]
                shares = estimate_prior(
                    softmax(np.array(alone["validation"])),
                    self.source["validation"].labels,
                    softmax(np.array(alone["target"])),
                )
                options = {**options, "target_prior": tuple(shares.tolist())}
            recorder, history, way_back = self.trained(method, {**plain, **ALIGNING, **options}, back=back)
            kept = len(recorder.scores["test"]) - 1
            if kept < len(history):
                kept = int(np.argmax([row["validation_score"] for row in history]))
            labels = self.target["validation"].labels
            oracle = [RULES.get("balanced_accuracy")(softmax(one), labels) for one in recorder.scores["target"]]
            peak = int(np.argmax(oracle))
            found[name] = {
                "value": LABEL_FREE.get(rule)(softmax(recorder.scores["target"][kept])),
                "test": self._measured(recorder, kept),
                "oracle": oracle[peak],
                "best": self._measured(recorder, peak),
                "way_back": way_back,
                "target_prior": options.get("target_prior"),
                "kept": kept,
                "target": recorder.scores["target"][kept].round(3).tolist(),
                "validation": recorder.scores["validation"][kept].round(3).tolist(),
                "seconds": time.process_time() - started,
            }
        results: dict[str, Any] = {"columns": {name: one["test"] for name, one in found.items()}, "found": found}
        best = max(methods, key=lambda name: found[name]["value"])
        low = self._least_gain(rule, *(np.array(found[name]["target"]) for name in (best, "source only")))
        results |= {"least gain": low, "kept": best if low is not None and low > 0 else "source only"}
        results["columns"]["label-free"] = found[results["kept"]]["test"]
        results["columns"]["oracle"] = max(found.values(), key=lambda one: one["oracle"])["best"]
        recorder, history, _ = self.trained("finetune", {**plain, "selection": "balanced_accuracy"}, bound=True)
        kept = int(np.argmax([row["validation_score"] for row in history]))
        results["columns"]["on target"] = self._measured(recorder, kept, bound=True)
        return results

    def _least_gain(self, rule: str, adapted: Scores, source: Scores) -> float | None:
        """Lower end of the interval of the gain of adapted scores over source scores, on the target's validation."""
        judge = LABEL_FREE.get(rule)

        def differences(weights: Scores) -> Scores:
            drawn = [np.repeat(np.arange(len(source)), row.astype(np.int64)) for row in weights]
            return np.array([judge(softmax(adapted[one])) - judge(softmax(source[one])) for one in drawn])

        interval = bootstrap(self.target["validation"].grouping.units, differences, draws=DRAWS)
        return None if interval is None else interval[0]

    def _measured(self, recorder: EpochScores, epoch: int, *, bound: bool = False) -> Measures:
        """The measures of the test after an epoch."""
        validation = (self.target if bound else self.source)["validation"]
        return self.measure(
            recorder.scores["validation"][epoch], validation, recorder.scores["test"][epoch], self.target["test"]
        )


def accuracy(_: Scores, __: Split, scores: Scores, test: Split) -> Measures:
    """Measures the accuracy of the likeliest class on the test."""
    return {"accuracy": float((scores.argmax(axis=1) == test.labels).mean())}


def summary(paths: Sequence[Path]) -> None:
    """Prints mean and standard deviation over seeds of each column, for each direction."""
    rows = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    for direction in sorted({row["direction"] for row in rows}):
        chosen = [row for row in rows if row["direction"] == direction]
        print(f"{direction}, {len(chosen)} seeds")
        for name in chosen[0]["columns"]:
            cells = []
            for key in chosen[0]["columns"][name]:
                values = [row["columns"][name][key] for row in chosen]
                spread = f" ({np.std(values, ddof=1):.3f})" if len(values) > 1 else ""
                cells.append(f"{key} {np.mean(values):.3f}{spread}")
            print(f"    {name}: {', '.join(cells)}")
