"""Making a released model of a finished run: a small run folder that may be passed on, and comes with the package."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from shared.config.schema import Config
from shared.data.loading import load_all
from shared.errors import DataError, InputRefused, UsageError
from shared.evaluation.decision.ood import Reference
from shared.io.atomic import new_folder, read_json, write_json, write_text, writing
from shared.models.batch_norm_folding import fold_batch_norm
from shared.models.half_precision import round_weights, share_weights
from shared.models.licences import licences_of_first_weights
from shared.models.onnx_export import export_onnx
from shared.models.onnx_properties import write_properties
from shared.models.restore import load_trained
from shared.prediction.predictor import Predictor
from shared.progress import Progress
from shared.runs.configuration import read_configs, text_without_folders
from shared.runs.folder import MODEL_FILES, check_finished, finish, finished_at, is_released, require_whole
from shared.runs.outside_tests import OUTSIDE_TESTS
from shared.runs.record import ModelRecord, read_model_record
from shared.runs.released import Release, released_bytes
from shared.runs.seen import Seen
from shared.samples import Sample
from shared.task import Task

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MAX_BYTES = 10_000_000
"""Most bytes of a released model."""
COMPARED = 256
"""Most images on which a released model is compared with its run, evenly spread over the data."""
TOLERANCE = 0.005
"""Largest difference of a probability that half precision may make; above it the weights stay float32."""
KEPT_OF_REPORT = ("verdict", "summary", "notes", "fewest_labels", "test")
"""Keys of `report.json` that are passed on: verdicts and tables are read from them, and no image is named in them."""
COPIED = ("environment.json", "metrics.jsonl", OUTSIDE_TESTS)
NOT_HELD = (
    "The folder holds no picture of a training image and nothing of their groups: of each a digest, by which the "
    "identical image is recognised, and of at most 2048 the features of the network. Rough pictures might be made of "
    "features again: pass a model on only where its images may be passed on."
)
Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class _Packing:
    """What a released model is made of.

    Attributes:
        task: The application.
        run: Folder of the finished run.
        record: Its model record.
        configs: Its configuration; of a mean of runs, those of its members.
        images: Raw images on which the model is compared with the run.
        licences: Licences, a line each.
        measured: What was measured of the model apart from its run, Markdown; empty: nothing.
    """

    task: Task
    run: Path
    record: ModelRecord
    configs: tuple[Config, ...]
    images: Sequence[Pixels]
    licences: tuple[str, ...]
    measured: str


def pack(
    task: Task,
    run: Path,
    out: Path,
    *,
    licences: Sequence[str],
    measured: str = "",
    images: Path | None,
    root: Path,
    progress: Progress,
) -> Release:
    """Makes a released model of a finished run.

    Weights are stored in half precision, unless that changes a probability by more than `TOLERANCE` on the images.

    Args:
        task: The application.
        run: The folder of a finished run; it is not changed.
        out: A new folder; its name becomes that of the model.
        licences: Licences of the model and its data, a line each; that of the first weights is added.
        measured: What was measured of the model apart from its run, Markdown for a section of its model card.
        images: Images on which it is compared with the run, in any form that training takes; None: those of the run.
        root: Folder of runs, for synthetic data.
        progress: Called with (what, done, total, note).

    Returns:
        What `released.json` says of the model.

    Raises:
        UsageError: The run cannot be packed, the name is not allowed, or the model is larger than `MAX_BYTES`.
        RunError: The run is damaged.
        DataError: No image can be read, or `out` holds something.
    """
    if not NAME.fullmatch(out.name):
        raise UsageError(f"{out.name!r} is no name for a model: allowed are a to z, 0 to 9 and hyphens between")
    check_finished(run)
    require_whole(run)
    record = read_model_record(run)
    if record.task != task.name:
        raise UsageError(f"{run} is a run of {record.task}; `{task.name}` cannot pack it")
    if is_released(run):
        raise UsageError(f"{run} comes with the package and is packed already; name a run")
    task.register_backbones()
    configs = read_configs(run)
    compared = _read_images(task, record, configs[0], images, root, progress)
    packing = _Packing(task, run, record, configs, compared, (*licences,), measured)
    with new_folder(out) as partial:
        release = _write(packing, partial, out.name)
        _check_size(partial)
    return release


def _write(packing: _Packing, folder: Path, name: str) -> Release:
    """Writes the folder with weights as small as answers allow."""
    licences = (*packing.licences, *licences_of_first_weights(packing.record))
    exact = Release(packing.run.name, licences, "float32", {})
    for precision in ("float16", "float32"):
        _write_network(packing, folder, half=precision == "float16")
        write_properties(folder / "model.onnx", packing.record, name, licences)
        _write_records(packing, folder)
        _finish(packing, folder, name, exact)
        found = _differences(packing, folder)
        if found["probability"] <= TOLERANCE:
            break
    release = Release(exact.run, exact.licences, precision, found)
    _finish(packing, folder, name, release)
    return release


def _write_network(packing: _Packing, folder: Path, *, half: bool) -> None:
    """Writes the network, for prediction and for explanations; in half precision both take the same weights."""
    if not half:
        for name in ("model.safetensors", "model.onnx"):
            shutil.copyfile(packing.run / name, folder / name)
        return
    network, record = load_trained(packing.run)
    check = np.stack([packing.task.preprocess(one, record.preprocessing) for one in packing.images[:2]])
    fold_batch_norm(network, torch.from_numpy(check))
    with writing(folder / "model.safetensors") as partial:
        save_file(round_weights(network), partial)
    export_onnx(network, record.preprocessing, folder / "model.onnx", check)
    share_weights(folder / "model.onnx", folder / "model.safetensors")


def _write_records(packing: _Packing, folder: Path) -> None:
    """Writes all but network, release, card and hashes."""
    run = packing.run
    write_json(folder / "model.json", packing.record.to_json())
    Reference.read(run).write(folder, compressed=True)
    Seen.read(run, packing.record.copy_rule).without_pictures().write(folder)
    report = read_json(run / "report.json")
    write_json(folder / "report.json", {key: report[key] for key in KEPT_OF_REPORT if key in report})
    write_text(folder / "config.yaml", text_without_folders(run))
    for name in COPIED:
        if (run / name).is_file():
            shutil.copyfile(run / name, folder / name)


def _finish(packing: _Packing, folder: Path, name: str, release: Release) -> None:
    """Writes what the release says, the model card, and the hashes of all files."""
    release.write(folder)
    write_text(folder / "model_card.md", _card(packing, name, release))
    files = {path.name for path in folder.iterdir() if path.is_file()} - {"done"}
    finish(folder, packing.record.task, finished_at(packing.run), more=files - {*MODEL_FILES})


def _card(packing: _Packing, name: str, release: Release) -> str:
    """The model card of the run under the name of the model, with what was added to it by packing."""
    _, _, rest = (packing.run / "model_card.md").read_text(encoding="utf-8").partition("\n")
    lines = [
        f"# {name}",
        rest.rstrip(),
        "",
        *(("## Measured apart from the run", "", packing.measured.strip(), "") if packing.measured else ()),
        "## Licences",
        "",
        *(f"- {licence}" for licence in release.licences),
        "",
        "## Release",
        "",
        f"- Made of the run {release.run}, which ended on {finished_at(packing.run):%Y-%m-%d}.",
        f"- Weights are stored as {release.precision} and computed with as float32.",
    ]
    if release.differences:
        lines.append(f"- {release.words[0].upper()}{release.words[1:]}.")
    return "\n".join([*lines, f"- {NOT_HELD}", ""])


def _differences(packing: _Packing, folder: Path) -> dict[str, float]:
    """How far the answers of the released model are from those of the run; the keys are those of `Release`."""
    task = packing.task
    run, released = (Predictor(path, task.name, task.preprocess).each(packing.images) for path in (packing.run, folder))
    pairs = list(zip(run, released, strict=True))
    return {
        "images": len(pairs),
        "probability": max(
            abs(a.probabilities[one] - b.probabilities[one]) for a, b in pairs for one in a.probabilities
        ),
        "ood_score": max(abs(a.ood_score - b.ood_score) for a, b in pairs),
        "decisions": sum((a.label, a.decision) != (b.label, b.decision) for a, b in pairs),
    }


def _read_images(
    task: Task, record: ModelRecord, config: Config, source: Path | None, root: Path, progress: Progress
) -> list[Pixels]:
    """Reads at most `COMPARED` images, evenly spread over the data.

    Raises:
        DataError: The data are not there, or none of the images can be read.
    """
    spec = record.preprocessing
    if source is not None:
        samples: Sequence[Sample] = task.load(source, options=spec.options, unlabelled=True).samples
    else:
        paths = [*config.data.collections.values(), *([config.data.source] if config.data.source else [])]
        if gone := [path for path in paths if not Path(path).exists()]:
            raise DataError(f"the run's data are not here: {gone[0]}; name images to compare on by --images DATA")
        samples = load_all(task, config.data, spec, root, progress).samples
    rows = np.unique(np.linspace(0, len(samples) - 1, min(COMPARED, len(samples)), dtype=np.int64)).tolist()
    found = []
    for done, row in enumerate(rows, start=1):
        try:
            pixels = task.read(samples[row])
            task.preprocess(pixels, spec)
        except (DataError, InputRefused):
            continue
        found.append(pixels)
        progress("reading images", done, len(rows), "")
    if not found:
        raise DataError(f"none of {len(rows)} images can be read; name others by --images DATA")
    return found


def _check_size(folder: Path) -> None:
    """Refuses a model that is too large for a package."""
    total = released_bytes(folder)
    if total > MAX_BYTES:
        files = sorted((path for path in folder.iterdir()), key=lambda path: -path.stat().st_size)[:3]
        largest = ", ".join(f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in files)
        raise UsageError(
            f"the model takes {total / 1e6:.1f} MB ({largest}); at most {MAX_BYTES / 1e6:.0f} MB are allowed: train a "
            "smaller network, or take fewer layers"
        )
