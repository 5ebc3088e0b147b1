"""Adding a class to a finished run from a few examples: a new run folder, without training."""

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

from shared.config.paths import PATHS
from shared.data.descriptors import describe
from shared.errors import DataError, UsageError
from shared.evaluation.decision.ood import Reference
from shared.evaluation.text import disclaimers
from shared.features.few_shot import fit_row
from shared.io.atomic import file_hash, write_json, write_text, writing
from shared.models.licences import IMAGES_UNKNOWN, licences_of_first_weights
from shared.models.network import Network
from shared.models.onnx_export import export_onnx
from shared.models.onnx_properties import write_properties
from shared.models.restore import load_trained
from shared.reporting.html import template
from shared.runs.folder import check_finished, finish, locked
from shared.runs.record import ModelRecord, read_model_record
from shared.runs.seen import Seen
from shared.runs.verdict import verdict_of
from shared.task import Task

COPIED_FILES = ("config.yaml", "environment.json", "metrics.jsonl")
NOT_CERTIFIED = "Nothing is certified: a class was added after validation"
EXPORT_CHECK_IMAGES = 8
"""Examples on which the exported network is compared with the network, at most."""
RELIABLE_EXAMPLES = 5
"""Examples below which a warning is given. Source: docs/lab-log.md, "A class added from few examples"."""
UNTESTED = (
    "The run's own test was not evaluated again, because it has no image of the new class: `evaluate RUN DATA` "
    "evaluates other data."
)


def check_model(task: Task, run: Path) -> None:
    """Checks that a run is finished and of an application, before any example is read.

    Args:
        task: The application.
        run: Folder of the run.

    Raises:
        UsageError: The run is unfinished, or of another application.
        RunError: The run is damaged.
    """
    check_finished(run)
    task.register_backbones()
    if (other := read_model_record(run).task) != task.name:
        raise UsageError(f"{run} is a run of {other}, and this is {task.name}; name a run of {task.name} with --model")


def add_class(task: Task, run: Path, name: str, raw: Sequence[NDArray[np.float32]], out: Path) -> Path:
    """Writes a new run folder whose network also has the class `name`; the old run stays as it is.

    Certificates are void, because validation has no image of the new class. The examples join the out-of-distribution
    reference, each as often as neighbours count: else every image of the class would be refused as unlike training.

    Args:
        task: The application of the run.
        run: Folder of a finished run.
        name: Name of the class, in any spelling that the application knows.
        raw: Example images, float32, as `Item.slices` holds them; at least one.
        out: Folder of the new run, which must not exist.

    Returns:
        `out`.

    Raises:
        UsageError: The run has the class already or is of another application, there are no images, or `out` exists.
        DataError: The name cannot be that of a class.
        RunError: The run is damaged.
        ExportError: The exported network differs from the network.
    """
    if out.exists():
        raise UsageError(f"{out} exists; name a new folder with --out")
    if not raw:
        raise UsageError(f"no example of {name} was given; give at least one image")
    check_model(task, run)
    network, record = load_trained(run)
    name = task.canonical(name)
    if not name:
        raise UsageError("the new class has an empty name; give it one")
    if name in record.classes:
        raise UsageError(f"{run} knows the class {name} already; it has {', '.join(record.classes)}. Name a new class")
    images = [task.preprocess(pixels, record.preprocessing) for pixels in raw]
    pixels = np.stack(images)
    reference = Reference.read(run)
    with torch.inference_mode():
        features = network.features(torch.from_numpy(pixels)).numpy()
    _add_output(network, features, reference)
    with locked(out):
        for file in COPIED_FILES:
            shutil.copyfile(run / file, out / file)
        if (run / PATHS).is_file():
            with writing(out / PATHS, private=True) as partial:
                shutil.copyfile(run / PATHS, partial)
        _write_network(network, record, out, pixels)
        reference.joined(features).write(out)
        positive = task.positive_name is not None and _is_positive(task, name) is not False
        widened = replace(
            record,
            classes=(*record.classes, name),
            positive=(*record.positive, positive),
            operating_point=_without_certificate(record.operating_point),
            rejection=_without_certificate(record.rejection),
            certified_sensitivity=None,
            certified_error=None,
            weights_hash=file_hash(out / "model.safetensors"),
        )
        licences = (*licences_of_first_weights(widened), IMAGES_UNKNOWN)
        write_properties(out / "model.onnx", widened, out.resolve().name, licences)
        write_json(out / "model.json", widened.to_json())
        shown = Seen.of(record.copy_rule, np.stack([describe(one, record.copy_rule) for one in raw]), ())
        Seen.read(run, record.copy_rule).joined(shown).write(out)
        _write_report(task, widened, out, describe_addition(task, name, len(images), record), run.name)
        finish(out, task.name)
    return out


def describe_addition(task: Task, name: str, count: int, record: ModelRecord) -> list[str]:
    """Writes the sentences that the user of a run with an added class must read, one in each string.

    The features by which the class is told are named. With fewer than `RELIABLE_EXAMPLES` examples a warning is added,
    and where nothing says whether the class is the event that must not be missed: it then counts as that.

    Args:
        task: The application of the run.
        name: Name of the class.
        count: Number of its examples.
        record: Model record of the run that the class is added to.
    """
    shown = task.display_name(task.canonical(name))
    lines = [
        f"{shown} was added from {count} example(s), without training. {NOT_CERTIFIED}.",
        f"It is told by the features of the run: {_features(record)}.",
    ]
    if task.positive_name is not None and _is_positive(task, name) is None:
        lines.append(f"Whether {shown} is {task.positive_name} is not known; it counts as {task.positive_name}.")
    if count < RELIABLE_EXAMPLES:
        lines.append(
            f"With fewer than {RELIABLE_EXAMPLES} examples a class is often missed or overcalled: test it first."
        )
    return lines


def _features(record: ModelRecord) -> str:
    """The networks of a run, and what their weights were trained on before it."""
    known = [
        f"{trunk['name']}, pretrained on {trunk['weights'].get('pretrained_on', 'what is not recorded')}"
        for trunk in record.trunks
    ]
    return "; ".join(dict.fromkeys(known))


def _is_positive(task: Task, name: str) -> bool | None:
    """Whether a class is the event that must not be missed; None where the application does not know the class."""
    try:
        return task.is_positive(name)
    except DataError:
        return None


def _write_network(network: Network, record: ModelRecord, out: Path, pixels: NDArray[np.float32]) -> None:
    """Writes the weights and the exported network, which is checked on some of the examples."""
    weights = {key: tensor.detach().contiguous() for key, tensor in network.state_dict().items()}
    with writing(out / "model.safetensors") as partial:
        save_file(weights, partial)
    export_onnx(network, record.preprocessing, out / "model.onnx", pixels[:EXPORT_CHECK_IMAGES])


def _write_report(task: Task, record: ModelRecord, out: Path, summary: Sequence[str], origin: str) -> None:
    """Writes `report.json`, `report.html` and `model_card.md` of a run that was not tested."""
    warnings = disclaimers(task, record.synthetic)
    notes = [
        UNTESTED,
        f"Everything but the new class comes from the run {origin}; that run's report describes its data and its test.",
    ]
    fit_for = verdict_of(record, {}).lines
    write_json(out / "report.json", {"verdict": [*fit_for], "summary": [*warnings, *summary], "notes": notes})
    classes = [task.display_name(label) for label in record.classes]
    page = template("added_class.html").render(
        name=out.name,
        kind="report of a run",
        title=task.title,
        verdict=fit_for,
        disclaimers=warnings,
        summary=summary,
        notes=notes,
        classes=classes,
    )
    write_text(out / "report.html", page)
    lines = [f"# {out.name}", task.title, *fit_for, *warnings, *summary, *notes, f"Classes: {', '.join(classes)}."]
    write_text(out / "model_card.md", "\n\n".join(lines) + "\n")


def _add_output(network: Network, features: NDArray[np.float32], reference: Reference) -> None:
    """Gives the head one more output, fitted to the features of the examples."""
    old = network.head
    row = fit_row(features, reference.features, old.weight.detach().numpy(), old.bias.detach().numpy())
    head = nn.Linear(old.in_features, old.out_features + 1)
    with torch.no_grad():
        head.weight.copy_(torch.cat([old.weight, torch.tensor(row.weight[np.newaxis], dtype=torch.float32)]))
        head.bias.copy_(torch.cat([old.bias, torch.tensor([row.bias], dtype=torch.float32)]))
    network.head = head


def _without_certificate(rule: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The decision rule of a run, without its certificate."""
    return None if rule is None else {**rule, "statement": NOT_CERTIFIED, "certified": None}
