"""Makes a finished medtl run and a phantom series for benchmarks of prediction, in less than a minute."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medtl.phantom.dataset import write_phantom
from medtl.task import TASK
from shared.config.read import load_config
from shared.pipeline.train import run


@contextmanager
def made_run(backbone: str = "squeezenet1_1") -> Iterator[Path]:
    """Makes a run with random weights, whose answers are meaningless and take as long as real ones."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        write_phantom(data, patients=24, scanners=("atlas",), slices=4)
        words = [
            f"data.source={data}",
            f"backbone={{name: {backbone}, weights: random, size: 160}}",
            "strategy={name: linear_probe}",
            "data.options.labels=binary",
            "explained_images=0",
        ]
        yield run(TASK, load_config(None, words), root=Path(folder) / "runs")


@contextmanager
def made_series(slices: int) -> Iterator[Path]:
    """Writes a phantom series with the given number of slices, and yields its folder."""
    with tempfile.TemporaryDirectory() as folder:
        write_phantom(Path(folder) / "data", patients=1, scanners=("atlas",), slices=slices)
        (first, *_) = (Path(folder) / "data").rglob("IM*.dcm")
        yield first.parent
