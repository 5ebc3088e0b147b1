"""A small phantom in whose tags and folder names a made-up person stands, and what a test looks for afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom

from medtl.phantom.dataset import write_phantom
from tests.medtl.mutation_seeds import MARKS, PLANTED, marks_in

FOLDER = "Folderperson"
"""In the names of folders and files, which only the person's own terminal may show again."""
TRAINING = (
    "backbone={name: convnet_small, weights: random, size: 32, layers: [block2], pooling: avg_2x2}",
    "strategy={name: finetune, augmentation: none, batch_size: 8, phases: [{epochs: 1, train: all, "
    "lr_head: 0.01, lr_backbone: 0.003}]}",
    "data.options={labels: binary}",
)
"""The configuration of a training of seconds, as `key=value` words."""


def planted_phantom(root: Path, patients: int = 12, slices: int = 3) -> Path:
    """Writes the phantom with a folder for each person and `PLANTED` in every file; the identifier ends in a number."""
    write_phantom(root, patients=patients, scanners=["cirrus"], slices=slices)
    (root / "labels.csv").write_text((root / "labels.csv").read_text().replace("PHANTOM-CIRRUS-", f"{FOLDER}-"))
    for number, folder in enumerate(sorted(path for path in root.iterdir() if path.name.startswith("PHANTOM-"))):
        for path in folder.rglob("*.dcm"):
            dataset = pydicom.dcmread(path)
            for keyword, value in PLANTED.items():
                setattr(dataset, keyword, value)
            dataset.PatientID += str(number)
            dataset.save_as(path)
        folder.rename(root / folder.name.replace("PHANTOM-CIRRUS-", f"{FOLDER}-"))
    for mask in (root / "masks").iterdir():
        mask.rename(mask.with_name(mask.name.replace("PHANTOM-CIRRUS-", f"{FOLDER}-")))
    return root


def leaks(root: Path, marks: Iterable[str] = MARKS) -> Iterator[str]:
    """What stands in the files below a folder, or in their names, that must not."""
    for path in sorted(root.rglob("*")):
        found = marks_in(str(path.relative_to(root)).encode(), marks)
        found += marks_in(path.read_bytes(), marks) if path.is_file() else []
        if found:
            yield f"{path.name}: {found}"


PROGRAM = """
import shared.reporting.run_report
shared.reporting.run_report.attribution_pictures = lambda *_: []
from medtl.cli import main
main()
"""


@dataclass(frozen=True)
class Training:
    """A finished training on the planted phantom, all that it wrote and said."""

    data: Path
    run: Path
    home: Path
    output: bytes

    @classmethod
    def read(cls, root: Path) -> Training:
        """What `train_planted` left in a folder."""
        return cls(root / "data", root / "run", root / "home", (root / "output").read_bytes())


def train_planted(root: Path) -> None:
    """`medtl -v train` as a person would run it, but for the attributions, which take half of the time."""
    data, run, home = planted_phantom(root / "data"), root / "run", root / "home"
    words = ["-v", "train", f"data.source={data}", *TRAINING, "--out", str(run)]
    places = {"XDG_CONFIG_HOME": str(home / "config"), "XDG_CACHE_HOME": str(home / "cache")}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, check=False, env=os.environ | places
    )
    assert result.returncode == 0, result.stderr.decode()
    (root / "output").write_bytes(result.stdout + result.stderr)
