"""Released models: run folders in an application's package, made by `pack`, with licences and what packing changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared.errors import MedtlError, RunError
from shared.io.atomic import read_json, write_json
from shared.runs.folder import RELEASED, is_released
from shared.runs.listing import FaultyRun, FinishedRun, Runs, read_run
from shared.runs.named import released_folders


@dataclass(frozen=True)
class Release:
    """What `released.json` says of a released model.

    Attributes:
        run: Name of the run that it was made of.
        licences: Licences of the model, its data and the weights that it began with, a line each.
        precision: Type in which the weights are stored: "float16" or "float32"; they are computed with in float32.
        differences: Largest differences from the run, on real images: of a `probability`, of an `ood_score`; the number
            of `images`, and of them how many `decisions` differ.
    """

    run: str
    licences: tuple[str, ...]
    precision: str
    differences: Mapping[str, float]

    @property
    def words(self) -> str:
        """The differences in words, as a sentence without full stop."""
        found = self.differences
        return (
            f"largest difference from the run on {found['images']} images: {found['probability']:.1e} of a "
            f"probability, {found['ood_score']:.1e} of an out-of-distribution score; decisions that "
            f"differ: {found['decisions']}"
        )

    def write(self, folder: Path) -> None:
        """Writes `released.json` into the folder of a released model."""
        write_json(folder / RELEASED, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Release:
        """Reads `released.json` of a released model.

        Raises:
            RunError: The file is missing or damaged.
        """
        tree: dict[str, Any] = read_json(folder / RELEASED)
        try:
            return cls(**{**tree, "licences": tuple(tree["licences"])})
        except (KeyError, TypeError):
            raise RunError(f"{folder / RELEASED} is damaged; install the package again") from None


def list_released(task: str) -> Runs:
    """Lists the released models that come with an application, by name.

    Args:
        task: Name of the application.

    Returns:
        Those that can answer, and those that are damaged; both may be empty.
    """
    finished, faulty = list[FinishedRun](), list[FaultyRun]()
    for folder in released_folders(task):
        try:
            if is_released(folder):
                finished.append(read_run(folder))
        except MedtlError as error:
            faulty.append(FaultyRun(folder, str(error)))
    return Runs(tuple(finished), tuple(faulty))


def released_bytes(folder: Path) -> int:
    """Counts the bytes of the files of a released model."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
