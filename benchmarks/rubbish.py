"""Compares out-of-distribution scores by the tumours they drop and the rubbish they pass.

    python -m benchmarks.rubbish RUN --unseen lgg_du=hospitals/lgg_du gbm=gbm_dicom.zip

Tumours are those of the run's test, and of sources that it did not train on; of those also quarter turns. Rubbish is
made, and read from `MEDTL_DATA` (`benchmarks/rubbish_images.py`). Each half of the kinds of rubbish has a threshold of
its own, at which a score catches 95% of it, all kinds alike: on the first half and the sources named by `--choosing` a
score is chosen, on the others it is shown. Then what each score drops and passes at the threshold that the rule of
runs sets on validation.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.rubbish_images import CHOOSING, SHOWING, rubbish
from benchmarks.rubbish_scores import Score, Values, scores_of
from medtl.task import TASK
from shared.config.read import load_config
from shared.data.loading import joined, load_told
from shared.errors import MedtlError
from shared.evaluation.decision.ood_threshold import choose_rule, one_of_each
from shared.prediction.predictor import Predictor
from shared.prediction.session import BATCH
from shared.runs.predictions import Predictions, read_predictions
from shared.samples import Sample
from shared.task import Image

CAUGHT = 0.95
"""Share of the rubbish that is caught where scores are compared."""
MOST_HEALTHY = 1000
"""Most tumour-free slices of an unseen source that are scored."""
LARGE = 0.75
"""Quantile of the areas of masks from which on a tumour is called large."""
FITTED = "validation"
RATE = 0.01
"""Rate of the rule: the default of `decision.ood_false_positive_rate`."""

Sets = dict[str, Values]


def main() -> int:
    """Prints the tables; 2 where something cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rubbish", description=__doc__)
    parser.add_argument("run", type=Path, help="a finished run of medtl on collections")
    parser.add_argument("--unseen", nargs="+", required=True, metavar="NAME=DATA", help="sources not trained on")
    parser.add_argument("--choosing", nargs="*", default=[], metavar="NAME", help="those that the score is chosen on")
    wanted = parser.parse_args()
    sources = {name: Path(path) for name, _, path in (word.partition("=") for word in wanted.unseen)}
    try:
        predictor = Predictor(wanted.run, TASK.name, TASK.preprocess)
        network = _Network(predictor)
        tumours, others, judged = _heads(network, wanted.run, sources)
        kinds = {
            half: {name: network.of(network.prepared(found)) for name, found in rubbish(half_of, _data()).items()}
            for half, half_of in (("choosing", CHOOSING), ("showing", SHOWING))
        }
        scores = scores_of(wanted.run)
    except MedtlError as error:
        print(error, file=sys.stderr)
        return 2
    chosen_on = [name for name in tumours if name.split(",")[0] in ("test", *wanted.choosing)]
    shown_on = [name for name in (*tumours, *others) if name not in chosen_on]
    print("\n".join(caught_table(scores, kinds["choosing"], {name: tumours[name] for name in chosen_on})), "\n")
    everything = tumours | others
    print("\n".join(caught_table(scores, kinds["showing"], {name: everything[name] for name in shown_on})), "\n")
    print("\n".join(rule_table(scores, judged, kinds["choosing"] | kinds["showing"], everything)))
    return 0


def caught_table(scores: Mapping[str, Score], kinds: Sets, heads: Sets) -> list[str]:
    """Tabulates the share of heads of each set that each score drops where it catches `CAUGHT` of the rubbish."""
    lines = [f"| {CAUGHT:.0%} of rubbish caught | {' | '.join(heads)} |", f"|---|{'--:|' * len(heads)}"]
    for name, score in scores.items():
        threshold = catching([score(found) for found in kinds.values()])
        cells = " | ".join(f"{(score(found) >= threshold).mean():.3f}" for found in heads.values())
        lines.append(f"| {name} | {cells} |")
    return lines


def rule_table(scores: Mapping[str, Score], judged: Judged, kinds: Sets, heads: Sets) -> list[str]:
    """Tabulates what lies above the threshold that the rule sets on validation: dropped heads, and rubbish passed."""
    sets = [name for name in heads if name != FITTED]
    lines = [
        f"| threshold by the rule | {' | '.join(sets)} | passed: {' | '.join(kinds)} |",
        f"|---|{'--:|' * (len(sets) + len(kinds))}",
    ]
    for name, score in scores.items():
        threshold = judged.threshold(score(heads[FITTED]))
        cells = [f"{(score(heads[one]) > threshold).mean():.3f}" for one in sets]
        cells += [f"{(score(found) <= threshold).mean():.2f}" for found in kinds.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


@dataclass(frozen=True)
class Judged:
    """What is known of the images of validation: the input and independent unit of each, and whether it is a tumour."""

    inputs: Sequence[str]
    units: Sequence[int]
    tumour: NDArray[np.bool_]

    def threshold(self, scores: Values) -> float:
        """Sets the threshold as a run does, by class.

        Args:
            scores: float64 [N], out-of-distribution scores of the images.
        """
        ill, well = self._drawn(scores, self.tumour), self._drawn(scores, ~self.tumour)
        everything = self._drawn(scores, np.ones_like(self.tumour))
        rule = choose_rule(everything, {"tumour": ill, "no_tumour": well}, ill, RATE)
        return float(rule["threshold"])

    def _drawn(self, scores: Values, chosen: NDArray[np.bool_]) -> Values:
        rows = np.flatnonzero(chosen).tolist()
        return one_of_each(scores[rows], [self.inputs[i] for i in rows], [self.units[i] for i in rows], 0)


def catching(scores: Sequence[Values]) -> float:
    """Finds the largest threshold from which on lies at least the share `CAUGHT` of rubbish, all kinds alike.

    Args:
        scores: By kind, the scores of its pictures.
    """
    values = np.concatenate(list(scores))
    weights = np.concatenate([np.full(len(one), 1.0 / len(one) / len(scores)) for one in scores])
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order]
    return float(values[order][np.flatnonzero(below <= 1.0 - CAUGHT + 1e-9)[-1]])


class _Network:
    """The network of a run, from images to features.

    Args:
        predictor: The predictor of the run.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor, self.spec = predictor, predictor.record.preprocessing

    def of(self, images: Sequence[Image]) -> Values:
        """Computes features, float64 [N, width], of preprocessed images, at least one."""
        batches = [np.stack(images[at : at + BATCH]) for at in range(0, len(images), BATCH)]
        found = [self.predictor.session.run(["features"], {"images": batch})[0] for batch in batches]
        return np.concatenate(found).astype(np.float64)

    def prepared(self, pictures: Sequence[NDArray[np.float32]]) -> list[Image]:
        """Preprocesses raw pictures."""
        return [TASK.preprocess(one, self.spec) for one in pictures]

    def read(self, samples: Sequence[Sample]) -> list[Image]:
        """Reads and preprocesses samples."""
        return self.prepared([TASK.read(one) for one in samples])


def _heads(network: _Network, run: Path, sources: Mapping[str, Path]) -> tuple[Sets, Sets, Judged]:
    """Features of tumours, and of other heads, by set; and what is known of validation."""
    data = load_config(run / "config.yaml", []).data
    known = load_told(
        TASK, {name: Path(path) for name, path in data.collections.items()}, data.meanings, network.spec.options
    )
    samples = {one.id: one for one in joined(known).samples}
    validation, test = read_predictions(run, "validation"), read_predictions(run, "test")
    tumours: Sets = {"test": network.of(network.read(_tumours(samples, test)))}
    others: Sets = {FITTED: network.of(network.read([samples[one] for one in validation.samples]))}
    options = {**TASK.default_options, "labels": "binary"}
    for name, path in sources.items():
        found = TASK.load(path, options=options).samples
        _add_tumours(network, name, [one for one in found if TASK.is_positive(str(one.label))], tumours, others)
        healthy = [one for one in found if not TASK.is_positive(str(one.label))]
        if healthy:
            drawn = healthy[:: -(-len(healthy) // MOST_HEALTHY)]
            others[f"{name}, tumour-free"] = network.of(network.read(drawn))
    tumour = np.array([TASK.is_positive(label) for label in validation.labels])
    return tumours, others, Judged(validation.inputs, validation.grouping.units, tumour)


def _add_tumours(network: _Network, name: str, samples: Sequence[Sample], tumours: Sets, others: Sets) -> None:
    """Adds the tumours of a source by contrast, those that are large, and quarter turns of all of them."""
    if not samples:
        return
    images = network.read(samples)
    contrasts = np.array([str(one.acquisition.get("contrast", "")) for one in samples])
    masks = [TASK.read_mask(one, network.spec) for one in samples]
    areas = np.array([0.0 if mask is None else mask.mean() for mask in masks])
    features = network.of(images)
    for contrast in sorted(set(contrasts)):
        tumours[f"{name}, {contrast}".rstrip(", ")] = features[contrasts == contrast]
    tumours[f"{name}, large"] = features[areas >= np.quantile(areas, LARGE)]
    turns = [np.ascontiguousarray(np.rot90(image, 1 + number % 3, (1, 2))) for number, image in enumerate(images)]
    others[f"{name}, turned"] = network.of(turns)


def _tumours(samples: Mapping[str, Sample], predictions: Predictions) -> list[Sample]:
    found = [samples[one] for one in predictions.samples]
    return [one for one in found if TASK.is_positive(str(one.label))]


def _data() -> Path:
    return Path(os.environ["MEDTL_DATA"])


if __name__ == "__main__":
    sys.exit(main())
