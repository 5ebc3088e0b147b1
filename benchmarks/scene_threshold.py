"""Tabulates thresholds on validation images in scenes: `python -m benchmarks.scene_threshold RUN DHCD`.

The scenes are those of training, drawn anew; the judges of `benchmarks.devanagari_released` are not looked at. A
threshold chosen here is written into the configuration as `decision.threshold`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from handwriting.scenes import shown
from handwriting.task import TASK
from shared.errors import MedtlError
from shared.prediction.predictor import Predictor
from shared.runs.predictions import read_predictions
from shared.seeding import derive_seed

THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
SEED = 1


def main() -> int:
    """Prints the table; 2 where something cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scene_threshold", description=__doc__)
    parser.add_argument("run", type=Path, help="a finished run of handwriting")
    parser.add_argument("source", type=Path, help="its data, DHCD as zip or folder")
    wanted = parser.parse_args()
    try:
        predictor = Predictor(wanted.run, TASK.name, TASK.preprocess)
        validation = read_predictions(wanted.run, "validation")
        samples = {one.id: one for one in TASK.load(wanted.source, options={}).samples}
        spec = predictor.record.preprocessing
        images = [TASK.preprocess(TASK.read(samples[name]), spec) for name in validation.samples]
    except MedtlError as error:
        print(error, file=sys.stderr)
        return 2
    truth = np.array([predictor.record.classes.index(label) for label in validation.labels])
    varied = [shown(image, derive_seed(SEED, name)) for image, name in zip(images, validation.samples, strict=True)]
    for name, found in (("as they are", images), ("in scenes", varied)):
        rows, ood = predictor.judge(found)
        print("\n".join(_table(name, rows, truth, ood <= predictor.record.ood["threshold"])))
    return 0


def _table(name: str, rows: np.ndarray, truth: np.ndarray, assessed: np.ndarray) -> list[str]:
    wrong, confidence = rows.argmax(axis=1) != truth, rows.max(axis=1)
    lines = [f"{len(truth)} images {name}: right {1 - wrong.mean():.4f}, assessed {assessed.mean():.4f}"]
    for threshold in THRESHOLDS:
        accepted = assessed & (confidence >= threshold)
        error = f"{wrong[accepted].mean():.4f}" if accepted.any() else "none"
        lines.append(f"  from {threshold:.2f}: accepted {accepted.mean():.4f}, wrong {error}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
