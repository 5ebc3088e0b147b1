"""Measures the memory of a whole training on a folder of pictures: search for copies, store, training, test, report.

    python -m benchmarks.memory_of_training COUNT... [--strategy finetune] [--size 224] [--folder FOLDER]

Each count is trained in a process of its own, on patterns that a program draws (synthetic, JPEG, in colour; their
accuracy means nothing). The network is the first stages of SqueezeNet with random weights, so that 100,000 pictures
take half an hour and not a day; `linear_probe` fits a head to its stored features, `finetune` trains the head for one
epoch.
Pictures, store and run take 0.2 MB an image of 224 px below FOLDER, and are deleted.

Printed are the peak of what the process itself holds (RssAnon, sampled ten times a second) with the step of that peak,
and the peak with the files that are mapped into it, libraries above all (VmHWM). Files are read and not mapped, so the
system's cache of them is in neither.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from shared import Application, ImageTask
from shared.io.atomic import write_json
from shared.processes.memory import peak_memory_mib
from shared.seeding import generator

TASK = ImageTask("patterns", classes=("dark", "light"), flip_invariant=True)
STRATEGIES = {
    "linear_probe": {"name": "linear_probe"},
    "finetune": {"name": "finetune", "phases": [{"epochs": 1, "train": "none", "lr_head": 1e-3}]},
}
COARSE = 8
"""Side of the random patterns that are enlarged: no two of them are alike at 32 pixels."""


def main() -> None:
    """Trains with each count of pictures in a process of its own, and prints a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_of_training")
    parser.add_argument("counts", nargs="+", type=int)
    parser.add_argument("--strategy", choices=tuple(STRATEGIES), default="linear_probe")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--folder", type=Path, help="where the files lie meanwhile; the system's folder else")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        _measure(given.folder, given.counts[0], given.strategy, given.size)
        return
    for count in given.counts:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            _draw(Path(folder) / "pictures", count, given.size)
            words = [str(count), "--strategy", given.strategy, "--size", str(given.size), "--folder", folder, "--here"]
            environment = {**os.environ, "XDG_CACHE_HOME": str(Path(folder) / "cache")}
            subprocess.run([sys.executable, "-m", "benchmarks.memory_of_training", *words], check=True, env=environment)


def _draw(folder: Path, count: int, size: int) -> None:
    """Writes the pictures, half of them darker than the others."""
    for name in TASK.classes:
        (folder / name).mkdir(parents=True)
    write_json(folder / "synthetic.json", {"synthetic": True})
    for number in range(count):
        kind = number % 2
        levels = generator(0, "pattern", number).integers(30 * kind, 200 + 30 * kind, (COARSE, COARSE, 3), np.uint8)
        picture = PillowImage.fromarray(levels).resize((size, size), PillowImage.Resampling.BICUBIC)
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=85)
        (folder / TASK.classes[kind] / f"{number}.jpg").write_bytes(stream.getvalue())


class _Sampler:
    """The peak of what the process holds, in all and in each step of the training, in MiB."""

    def __init__(self) -> None:
        self.step, self.peaks = "loading", Counter[str]()
        threading.Thread(target=self._run, daemon=True).start()

    def progress(self, what: str, done: int, total: int, note: str) -> None:
        """Takes the step that is shown."""
        self.step = what

    def _run(self) -> None:
        while True:
            for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
                if line.startswith("RssAnon:"):
                    self.peaks[self.step] = max(self.peaks[self.step], int(line.split()[1]) // 1024)
            time.sleep(0.1)


def _measure(folder: Path, count: int, strategy: str, size: int) -> None:
    sampler, begun = _Sampler(), time.process_time()
    Application(TASK, root=folder / "runs").train(
        data=folder / "pictures",
        settings={
            "backbone": {"name": "squeezenet1_1", "weights": "random", "size": size, "layers": ["fire2"]},
            "strategy": STRATEGIES[strategy],
        },
        progress=sampler.progress,
    )
    (step, peak), *_ = sampler.peaks.most_common(1)
    seconds = time.process_time() - begun
    print(
        f"{count} pictures of {size} px, {strategy}: {peak} MiB of its own (during {step}), "
        f"{peak_memory_mib():.0f} with mapped files; {seconds:.0f} s of processor time",
        flush=True,
    )
    print("  " + ", ".join(f"{step}: {peak}" for step, peak in sampler.peaks.items()), flush=True)


if __name__ == "__main__":
    main()
