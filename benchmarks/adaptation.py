"""One seed of an adaptation study: trains every setting, records it as a run folder, and judges the choice later.

    python -m benchmarks.adaptation FOLDER [FOLDER ...]

prints the tables of finished studies, with the rule that chooses today; nothing is trained. FOLDER/DIRECTION/SEED is
one study, as `Study.train_all` writes it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.adaptation.choice import AUTO, Choice, choice_rules, choose
from shared.adaptation.criteria import Run, oracle_epoch
from shared.adaptation.label_shift import estimate_prior
from shared.adaptation.reverse_validation import REVERSE, reverse_validation
from shared.adaptation.target import EpochRecorder, read_epochs, write_truth
from shared.config.read import validate
from shared.data.split import Split, unlabelled
from shared.evaluation.calibration import softmax
from shared.experiments.adaptation import SOURCE_ONLY
from shared.io.atomic import read_json, write_json, write_text
from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width
from shared.seeding import derive_seed
from shared.strategies import find_strategy
from shared.task import Preprocessing
from shared.training.augmented import Augment
from shared.training.job import Job, Target

TRAINING: Mapping[str, Any] = {"batch_size": 64, "class_weights": "none", "precision": "bf16", "augmentation": "none"}
PHASE: Mapping[str, Any] = {"train": "all", "lr_head": 3e-3, "lr_backbone": 1e-3, "lr_decay": 1.0, "warmup": 0.0}
ESTIMATED = "estimated"
"""Stands for a target prior that is estimated by the model trained on the source alone."""
ON_TARGET = "on target"
MEASURES = "measures.json"
"""File of a finished run: the measures of the test after each epoch."""
Parts = Mapping[str, Split]
Scores = NDArray[np.float64]
Measures = dict[str, float]


def image_network(backbone: str, classes: int, seed: int, side: int) -> Network:
    """Builds a network for images with random weights."""
    built = build_backbone(backbone, layers=None, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "head"))
        width = feature_width(built, built.layers, "avg_1x1", 1, side)
        network = Network(built, built.layers, "avg_1x1", width, classes)
    return network.to(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Study:
    """A study of adaptation from one source to one target, with one seed.

    Attributes:
        source: Splits "train", "validation" and "test" of the source, with labels.
        target: Splits "train", "validation" and "test" of the target; only oracle and upper bound use their labels.
        classes: Number of classes.
        network: Builds the network with its initial weights.
        measure: Measures test scores; called with scores [N, classes] and split of validation, then of the test.
        seed: Seed of weights and draws.
        folder: Folder of the runs; finished ones in it are used again.
        training: Options of all trainings, in addition to `TRAINING`.
        augment: Augments batches of training images of both domains; None: no augmentation.
    """

    source: Parts
    target: Parts
    classes: int
    network: Callable[[], Network]
    measure: Callable[[Scores, Split, Scores, Split], Measures]
    seed: int
    folder: Path
    training: Mapping[str, Any]
    augment: Augment | None = None

    def train_all(self, settings: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
        """Trains the source alone, every setting, and on the target's labels; each also in reverse but the last.

        Args:
            settings: Strategy and options of each setting, by its name.
        """
        source = {SOURCE_ONLY: ("finetune", {"selection": "log_likelihood"})}
        for name, (method, options) in {**source, **settings}.items():
            chosen = dict(options)
            if chosen.get("target_prior") == ESTIMATED:
                chosen["target_prior"] = self._estimated_prior()
            self._train(name, method, chosen)
        self._train(ON_TARGET, "finetune", {"selection": "balanced_accuracy"}, bound=True)

    def _train(self, name: str, method: str, options: Mapping[str, Any], *, bound: bool = False) -> None:
        """Trains one setting into its run folder, unless it is there already."""
        folder = self.folder / name.replace(" ", "-")
        if (folder / MEASURES).is_file():
            return
        started = time.process_time()
        strategy = find_strategy(method)
        given = {**TRAINING, "batch_norm": "per_domain", **self.training, **options}
        given = {key: value for key, value in given.items() if key in strategy.options.model_fields}
        if method in ("finetune", "adabn"):
            given.pop("batch_norm", None)
        settings = validate(strategy.options, {**given, "name": method}, origin=method)
        own = self.target if bound else self.source
        hidden = None if bound else Target(*(unlabelled(self.target[part]) for part in ("train", "validation")))
        splits = {"validation": own["validation"], "target": self.target["validation"], "test": self.target["test"]}
        job = Job(
            network=self.network(),
            train=own["train"],
            validation=own["validation"],
            classes=tuple(str(i) for i in range(self.classes)),
            miss_costs=(1.0,) * self.classes,
            spec=Preprocessing(1),
            content_hash="",
            fingerprint="",
            augment=self.augment,
            seed=self.seed,
            device=torch.device("cpu"),
            folder=folder,
            progress=lambda *_: None,
            target=hidden,
            on_epoch_end=EpochRecorder(strategy, splits),
        )
        history = strategy.fit(job, settings)
        write_text(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in history))
        write_truth(job, strategy, splits)
        forward = time.process_time()
        if not bound:
            write_json(folder / REVERSE, reverse_validation(job, strategy, settings, self.network()))
        test, validation = read_epochs(folder, "test"), read_epochs(folder, "validation")
        measures = [
            self.measure(one, own["validation"], tested, self.target["test"])
            for one, tested in zip(validation.scores, test.scores, strict=True)
        ]
        seconds = {"training": forward - started, "reverse": time.process_time() - forward}
        write_json(folder / MEASURES, {"epochs": measures, "cpu_seconds": seconds})

    def _estimated_prior(self) -> list[float]:
        """Class shares of the target, estimated by the source alone."""
        alone = read_run(self.folder, SOURCE_ONLY)
        probabilities, target = (softmax(one.scores[alone.kept]) for one in (alone.validation, alone.target))
        shares: list[float] = estimate_prior(probabilities, alone.validation.labels, target).tolist()
        return shares


def read_run(folder: Path, name: str) -> Run:
    """Reads a finished run of a study."""
    return Run.read(name.replace("-", " "), folder / name.replace(" ", "-"))


def accuracy(_: Scores, __: Split, scores: Scores, test: Split) -> Measures:
    """Measures the accuracy of the likeliest class on the test."""
    return {"accuracy": float((scores.argmax(axis=1) == test.labels).mean())}


def judge(folder: Path, rule: str) -> tuple[dict[str, Measures], Choice]:
    """Judges one finished study: measures of every setting, of the label-free choice, the oracle and the upper bound.

    Args:
        folder: Folder of the study.
        rule: Name of the rule that chooses, from `shared.adaptation.choice.choice_rules`.
    """
    names = sorted(path.name for path in folder.iterdir() if (path / MEASURES).is_file())
    runs = {name: Run.read(name, folder / name) for name in names}
    source, bound = runs.pop(SOURCE_ONLY.replace(" ", "-")), runs.pop(ON_TARGET.replace(" ", "-"))
    choice = choose(source, tuple(runs.values()), rule)
    best = max(((run, *oracle_epoch(run, "balanced_accuracy")) for run in (source, *runs.values())), key=itemgetter(2))
    columns = {run.name: _measured(run, run.kept) for run in (source, *runs.values())}
    columns |= {"label-free": _measured(choice.kept, choice.kept.kept), "oracle": _measured(*best[:2])}
    return columns | {"on target": _measured(bound, bound.kept)}, choice


def _measured(run: Run, epoch: int) -> Measures:
    measures: Measures = read_json(run.path / MEASURES)["epochs"][epoch]
    return measures


def summary(folder: Path, rule: str) -> None:
    """Prints mean and standard deviation over seeds of each column of each direction, and what the rule was worth.

    Args:
        folder: Folder with DIRECTION/SEED.
        rule: Name of the rule that chooses.
    """
    losses, gains = [], []
    for direction in sorted(path for path in folder.iterdir() if path.is_dir()):
        judged = [judge(study, rule) for study in sorted(direction.iterdir()) if (study / "on-target").is_dir()]
        if not judged:
            continue
        print(f"{direction.name}, {len(judged)} seeds; kept: {', '.join(choice.kept.name for _, choice in judged)}")
        for name in judged[0][0]:
            cells = []
            for key in judged[0][0][name]:
                # a test of few units has no interval
                values = [columns[name][key] for columns, _ in judged if key in columns[name]]
                spread = f" ({np.std(values, ddof=1):.3f})" if len(values) > 1 else ""
                cells.append(f"{key} {np.mean(values):.3f}{spread}")
            print(f"    {name}: {', '.join(cells)}")
        key = next(iter(judged[0][0][SOURCE_ONLY.replace(" ", "-")]))
        for columns, choice in judged:
            alone = columns[SOURCE_ONLY.replace(" ", "-")][key]
            losses.append(columns["label-free"][key] - alone)
            gains.append(columns["oracle"][key] - alone)
            print(f"    {choice.statement}")
    if not losses:
        print(f"{folder}: no study is finished")
        return
    print(f"worst of the rule against source only: {min(losses):+.3f}; mean {np.mean(losses):+.3f}", end="; ")
    print(f"of the oracle {np.mean(gains):+.3f}: share {np.mean(losses) / np.mean(gains):.2f}")


def main() -> None:
    """Prints the tables of finished studies."""
    parser = argparse.ArgumentParser(description="tables of finished studies of adaptation")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--rule", choices=choice_rules(), default=AUTO)
    args = parser.parse_args()
    for folder in args.folders:
        summary(folder, args.rule)


if __name__ == "__main__":
    main()
