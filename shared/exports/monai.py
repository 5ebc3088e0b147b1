"""A MONAI bundle: metadata, a program of inference for `monai.bundle run`, and the network as ONNX.

Source: the MONAI bundle specification, and its metadata schema of 2024-07-25.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from shared.errors import UsageError
from shared.exports.model import Model
from shared.io.atomic import write_json, write_text
from shared.models.half_precision import write_alone

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
NOT_STATED = "not stated"
BASE = {"monai_version": "monai", "pytorch_version": "torch", "numpy_version": "numpy"}
"""Packages whose versions stand at the top of the metadata, by their keys there."""
ACTIVE = re.compile(r"^[$@%]|[@%]#")
"""Texts that MONAI runs, or takes for the name of another entry or file, wherever they stand in a bundle."""
BATCH = 16
"""Images that go through the network at once."""
IMPORTS = (
    "$import json",
    "$import torch",
    "$from importlib import import_module",
    "$from pathlib import Path",
)


def write(model: Model, folder: Path) -> None:
    """Writes a model into an empty folder; see `shared.exports.export`.

    Args:
        model: The model.
        folder: The folder.

    Raises:
        UsageError: The application is no package, or a name is one that MONAI would run as a program.
    """
    if find_spec(model.task.name) is None:
        raise UsageError(f"--as monai: {model.task.name} is no package, and a bundle names one; use --as huggingface")
    metadata, inference = _metadata(model), _inference(model)
    _refuse_active(metadata)
    _refuse_active({"classes": list(model.record.classes), "options": dict(model.record.preprocessing.options)})
    write_json(folder / "configs" / "metadata.json", metadata)
    write_json(folder / "configs" / "inference.json", inference)
    write_text(folder / "docs" / "README.md", model.card)
    write_text(folder / "docs" / "license.txt", "".join(f"{line}\n" for line in model.licences))
    write_alone(model.folder / "model.onnx", folder / "models" / "model.onnx")


def _refuse_active(node: Any) -> None:
    """Refuses names of folders, classes or runs that would do something in a bundle.

    Raises:
        UsageError: There is one.
    """
    if isinstance(node, dict):
        for key, value in node.items():
            _refuse_active(key)
            _refuse_active(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            _refuse_active(value)
    elif isinstance(node, str) and ACTIVE.search(node):
        raise UsageError(f"--as monai: MONAI would run {node!r} as a part of a program; use --as huggingface")


def _metadata(model: Model) -> dict[str, Any]:
    record, spec, task = model.record, model.record.preprocessing, model.task
    warnings = " ".join(model.warnings)
    return {
        "schema": SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": f"exported from the run {model.name}"},
        **{key: str(model.packages.get(package, NOT_STATED)) for key, package in BASE.items()},
        "required_packages_version": {
            "onnxruntime": str(model.packages.get("onnxruntime", NOT_STATED)),
            task.name: version("medtl"),
        },
        "name": model.name,
        "task": task.title,
        "description": f"{task.title}: {', '.join(record.classes)}. {warnings}".strip(),
        "authors": NOT_STATED,
        "copyright": "; ".join(model.licences),
        "data_type": "image",
        "intended_use": warnings or NOT_STATED,
        "pred_classes": ", ".join(record.classes),
        "eval_metrics": {f"{score.measure.key}, {score.unit}": score.value for score in model.scores},
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "magnitude",
                    "modality": NOT_STATED,
                    "num_channels": spec.channels,
                    "spatial_shape": [spec.size, spec.size],
                    "dtype": "float32",
                    "value_range": [0, 1],
                    "is_patch_data": False,
                    "channel_def": {str(number): "image" for number in range(spec.channels)},
                }
            },
            "outputs": {
                "pred": {
                    "type": "probabilities",
                    "format": "classes",
                    "num_channels": len(record.classes),
                    "spatial_shape": [],
                    "dtype": "float32",
                    "value_range": [0, 1],
                    "is_patch_data": False,
                    "channel_def": {str(number): name for number, name in enumerate(record.classes)},
                }
            },
        },
    }


def _inference(model: Model) -> dict[str, Any]:
    """The program: reads `dataset_dir` as `predict` does, and writes the probabilities of each slice as JSON.

    An expression sees other entries only as arguments of a function, which is why all functions have defaults.
    """
    record = model.record
    return {
        "imports": list(IMPORTS),
        "bundle_root": ".",
        "device": "$torch.device('cpu')",
        "dataset_dir": "$@bundle_root + '/images'",
        "output_file": "$@bundle_root + '/predictions.json'",
        "classes": list(record.classes),
        "threshold": record.image_threshold,
        "task": f"$import_module('{model.task.name}.task').TASK",
        "preprocessing_settings": {"_target_": "shared.task.Preprocessing", **asdict(record.preprocessing)},
        "inputs": "$list(@task.read_inputs([Path(@dataset_dir)]))",
        "refused": "$[{'name': one.name, 'refusal': one.refusal} for one in @inputs if one.refusal]",
        "preprocessing": {
            "_target_": "monai.transforms.Compose",
            "transforms": [
                {
                    "_target_": "monai.transforms.Lambdad",
                    "keys": "image",
                    "func": "$lambda pixels, task=@task, spec=@preprocessing_settings: task.preprocess(pixels, spec)",
                    "track_meta": False,
                },
                {"_target_": "monai.transforms.ToTensord", "keys": "image", "track_meta": False},
            ],
        },
        "dataset": {
            "_target_": "monai.data.Dataset",
            "data": "$[{'name': one.name, 'slice': number, 'image': pixels} for one in @inputs "
            "for number, pixels in enumerate(one.slices, 1)]",
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "monai.data.DataLoader", "dataset": "@dataset", "batch_size": BATCH},
        "session": {
            "_target_": "onnxruntime.InferenceSession",
            "path_or_bytes": "$@bundle_root + '/models/model.onnx'",
            "providers": ["CPUExecutionProvider"],
        },
        "network_def": "$lambda images, session=@session: "
        "torch.from_numpy(session.run(['probabilities'], {'images': images.numpy()})[0])",
        "inferer": {"_target_": "monai.inferers.SimpleInferer"},
        "evaluator": "$lambda loader=@dataloader, infer=@inferer, network=@network_def, classes=@classes: "
        "[{'name': name, 'slice': number, 'probabilities': dict(zip(classes, row))} for batch in loader for "
        "name, number, row in zip(batch['name'], batch['slice'].tolist(), infer(batch['image'], network).tolist())]",
        "run": ["$Path(@output_file).write_text(json.dumps(@refused + @evaluator(), indent=2))"],
    }
