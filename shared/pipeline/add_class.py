"""A finished run that learns a class from a few examples: a new run beside the old one, nothing trained again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from shared.errors import UsageError
from shared.evaluation.decision.ood import FILE, NEIGHBOUR, Reference
from shared.evaluation.text import disclaimers
from shared.features.few_shot import fit_row
from shared.io.atomic import file_hash, write_array, write_json, write_text
from shared.models.network import Network
from shared.models.onnx_export import export_onnx
from shared.models.restore import load_trained
from shared.reporting.html import template
from shared.runs.folder import finish, locked, read_training_digests, write_training_digests
from shared.runs.record import ModelRecord
from shared.samples import image_digest
from shared.task import Task

COPIED = ("config.yaml", "environment.json", "metrics.jsonl")
NOT_CERTIFIED = "Nothing is certified: a class was added after validation"
MIN_EXAMPLES_FOR_TRUST = 5
UNTESTED = (
    "Its own test was not judged again, for that has no image of the new class: `evaluate RUN DATA` judges other data."
)


def add_class(task: Task, run: Path, name: str, raw: Sequence[NDArray[np.float32]], out: Path) -> Path:
    """Writes a run that also knows `name`; the old run stays as it is.

    What was certified is void: validation has no image of the new class. The out-of-distribution reference takes up
    the examples, each as often as neighbours count, for else no image of the class would ever be assessed.

    Args:
        task: The application of the run.
        run: A finished run.
        name: Of the class, in any spelling that the application knows.
        raw: Its examples as `Item.slices` has them; at least one.
        out: A new folder.

    Returns:
        `out`.

    Raises:
        UsageError: The run knows the class already, there are no images, or `out` exists.
        DataError: The name cannot be that of a class.
        RunError: The run is damaged.
        ExportError: The exported network differs.
    """
    if out.exists():
        raise UsageError(f"{out} exists; name a new folder with --out")
    if not raw:
        raise UsageError(f"no example of {name} was given; give at least one image")
    task.register_backbones()
    network, record = load_trained(run)
    if record.task != task.name:
        raise UsageError(f"{run} is a run of {record.task}; `{task.name}` cannot add to it")
    name = task.canonical(name)
    if not name:
        raise UsageError("the new class has an empty name; give it one")
    if name in record.classes:
        raise UsageError(f"{run} knows the class {name} already; it has {', '.join(record.classes)}")
    images = [task.preprocess(pixels, record.preprocessing) for pixels in raw]
    pixels = np.stack(images)
    reference = Reference.read(run)
    with torch.inference_mode():
        features = network.features(torch.from_numpy(pixels)).numpy()
    _widen(network, features, reference)
    with locked(out):
        for file in COPIED:
            shutil.copyfile(run / file, out / file)
        save_file(
            {key: tensor.detach().contiguous() for key, tensor in network.state_dict().items()},
            out / "model.safetensors",
        )
        export_onnx(network, record.preprocessing, out / "model.onnx", pixels[:8])
        near = np.repeat(Reference.of(features).features, NEIGHBOUR, axis=0)
        write_array(out / FILE, np.concatenate([reference.features, near]))
        positive = task.positive_name is not None and task.is_positive(name)
        changed = replace(
            record,
            classes=(*record.classes, name),
            positive=(*record.positive, positive),
            operating_point=_void(record.operating_point),
            rejection=_void(record.rejection),
            certified_sensitivity=None,
            certified_error=None,
            weights_hash=file_hash(out / "model.safetensors"),
        )
        write_json(out / "model.json", changed.to_json())
        write_training_digests(out, read_training_digests(run) | {image_digest(image) for image in images})
        _write_report(task, changed, out, in_words(task, name, len(images)), run.name)
        finish(out, task.name)
    return out


def in_words(task: Task, name: str, count: int) -> list[str]:
    """What a person must know of the new run."""
    shown = task.display_name(task.canonical(name))
    said = [f"{shown} was added from {count} example(s), without training. {NOT_CERTIFIED}."]
    if count < MIN_EXAMPLES_FOR_TRUST:
        said.append(
            f"With fewer than {MIN_EXAMPLES_FOR_TRUST} examples a class is often missed or overcalled: test it first."
        )
    return said


def _write_report(task: Task, record: ModelRecord, out: Path, said: Sequence[str], origin: str) -> None:
    """Writes `report.json`, `report.html` and `model_card.md`: what is known of a run that no test has judged."""
    warnings = disclaimers(task, record.synthetic)
    notes = [UNTESTED, f"All but the new class is that of the run {origin}; its report tells of its data and its test."]
    write_json(out / "report.json", {"summary": [*warnings, *said], "notes": notes})
    classes = [task.display_name(label) for label in record.classes]
    page = template("added_class.html")
    told = {"name": out.name, "title": task.title, "disclaimers": warnings, "said": said, "notes": notes}
    write_text(out / "report.html", page.render(**told, classes=classes))
    lines = [f"# {out.name}", task.title, *warnings, *said, *notes, f"Classes: {', '.join(classes)}."]
    write_text(out / "model_card.md", "\n\n".join(lines) + "\n")


def _widen(network: Network, features: NDArray[np.float32], reference: Reference) -> None:
    """Gives the head one more output."""
    old = network.head
    row = fit_row(features, reference.features, old.weight.detach().numpy(), old.bias.detach().numpy())
    head = nn.Linear(old.in_features, old.out_features + 1)
    with torch.no_grad():
        head.weight.copy_(torch.cat([old.weight, torch.tensor(row.weight[np.newaxis], dtype=torch.float32)]))
        head.bias.copy_(torch.cat([old.bias, torch.tensor([row.bias], dtype=torch.float32)]))
    network.head = head


def _void(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if told is None else {**told, "statement": NOT_CERTIFIED, "certified": None}
