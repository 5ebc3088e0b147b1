"""Measures what images lose when training stores them with fewer bits, and what that does to a model's answers.

    python -m benchmarks.pixel_types DATA... [--model brain-mri] [--slices 200]

Each DATA is a folder, zip or table of MR images. Evenly spaced slices are preprocessed as `predict` does, in float32,
and answered one by one as they are and as `shared.data.pixel_store` could keep them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from medtl.task import TASK
from shared.errors import DataError, MedtlError
from shared.prediction.predictor import Predictor
from shared.runs.named import find_named
from shared.task import Image

STORED: Mapping[str, Callable[[Image], Image]] = {
    "bytes": lambda image: np.rint(image * np.float32(255)).astype(np.uint8).astype(np.float32) / np.float32(255),
    "float16": lambda image: image.astype(np.float16).astype(np.float32),
}
"""By type: what comes back of an image that is stored with it."""


def main() -> int:
    """Prints a line for each dataset and type; 2 where something cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pixel_types", description=__doc__)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, default=Path("brain-mri"), help="a finished run, or a released model")
    parser.add_argument("--slices", type=int, default=200)
    wanted = parser.parse_args()
    try:
        folder = find_named(Path("runs"), wanted.model, TASK.name)
        predictor = Predictor(folder, TASK.name, TASK.preprocess, threads=1)
        for path in wanted.data:
            for line in compared(predictor, _images(predictor, path, wanted.slices)):
                print(f"{path.name}, {line}", flush=True)
    except MedtlError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def compared(predictor: Predictor, images: Sequence[Image]) -> list[str]:
    """Compares the answers to images with those to what is stored of them, a line for each type.

    Args:
        predictor: The opened run.
        images: float32 [channels, size, size] each, 0 to 1.
    """
    record, lines = predictor.record, []
    flags, threshold = np.array(record.positive, dtype=bool), record.ood["threshold"]

    def answers(shown: Sequence[Image]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, ood = predictor.judge(shown)
        score = rows[:, flags].sum(axis=1) if flags.any() else rows.max(axis=1)
        return score, score >= record.image_threshold, ood > threshold

    exact, called, strange = answers(images)
    for name, stored in STORED.items():
        kept = [stored(image) for image in images]
        pixels = np.array([np.abs(one - other).max() for one, other in zip(kept, images, strict=True)])
        score, called_then, strange_then = answers(kept)
        change = np.abs(score - exact)
        lines.append(
            f"{len(images)} slices as {name}: pixels differ by up to {pixels.max():.5f}; probability by "
            f"{change.mean():.5f} on average, {np.percentile(change, 99):.5f} in 99 of 100, {change.max():.5f} at "
            f"most; {(called != called_then).sum()} decisions and {(strange != strange_then).sum()} refusals change"
        )
    return lines


def _images(predictor: Predictor, path: Path, count: int) -> list[Image]:
    """Evenly spaced slices of a dataset, preprocessed; those that cannot be read are passed over."""
    spec = predictor.record.preprocessing
    samples, images = TASK.load(path, options=spec.options, unlabelled=True).samples, list[Image]()
    for index in np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(int):
        try:
            images.append(TASK.preprocess(TASK.read(samples[index]), spec))
        except DataError as error:
            print(f"{path.name}: passed over ({error})", file=sys.stderr)
    return images


if __name__ == "__main__":
    sys.exit(main())
