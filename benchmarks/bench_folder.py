"""Measures prediction on a folder of 400 slices against the bare ONNX Runtime on arrays in memory."""

from __future__ import annotations

import numpy as np

from benchmarks.made_run import made_run, made_series
from benchmarks.side_by_side import Measured, best_times
from medtl.task import TASK
from shared.prediction.predictor import Predictor
from shared.prediction.session import BATCH

SLICES = 400


def measure() -> list[Measured]:
    """Measures prediction with reading, beside the network alone."""
    with made_run() as run, made_series(SLICES) as series:
        predictor = Predictor(run, TASK.name, TASK.preprocess)
        (item,) = TASK.read_inputs([series])
        images = [TASK.preprocess(pixels, predictor.record.preprocessing) for pixels in item.slices]

        def bare() -> None:
            for start in range(0, SLICES, BATCH):
                predictor.session.run(["probabilities"], {"images": np.stack(images[start : start + BATCH])})

        def whole() -> None:
            for found in TASK.read_inputs([series]):
                predictor.assess(found)

        bare_times, times = best_times(bare, whole)
    what = f"a folder of {SLICES} slices of 232 x 232 is read and judged, SqueezeNet at 160 px"
    return [Measured(what, times, "ONNX Runtime on arrays in memory", bare_times, ">= 0.9", "wall")]
