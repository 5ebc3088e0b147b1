"""The layout of a model repository on the Hugging Face Hub: README.md with metadata, config.json, safetensors, ONNX.

Source: the Hub's documentation of model cards; `config.json` names classes as the library transformers does.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from shared.exports.model import Model, Score
from shared.io.atomic import write_json, write_text
from shared.models.half_precision import write_alone

USE = """\
## Use

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
images = np.zeros((1, {channels}, {size}, {size}), dtype=np.float32)  # preprocessed images, 0 to 1
probabilities, features = session.run(["probabilities", "features"], {{"images": images}})
```

`config.json` names the classes, the threshold and the settings of the preprocessing. The preprocessing itself is that
of the package `{task}`; on images that were prepared otherwise the measures above do not hold. `model.safetensors`
holds the same network for training further. Checks of unlike images, and of series, are not part of this folder."""


def write(model: Model, folder: Path) -> None:
    """Writes a model into an empty folder; see `shared.exports.export`.

    Args:
        model: The model.
        folder: The folder.
    """
    write_text(folder / "README.md", _readme(model))
    write_json(folder / "config.json", _config(model))
    write_alone(model.folder / "model.onnx", folder / "model.onnx")
    shutil.copyfile(model.folder / "model.safetensors", folder / "model.safetensors")


def _config(model: Model) -> dict[str, Any]:
    record = model.record
    return {
        "model_type": "image-classification",
        "id2label": {str(index): name for index, name in enumerate(record.classes)},
        "label2id": {name: index for index, name in enumerate(record.classes)},
        "positive": [name for name, positive in zip(record.classes, record.positive, strict=True) if positive],
        "threshold": record.image_threshold,
        "preprocessing": asdict(record.preprocessing),
        "backbone": record.backbone,
        "temperature": record.temperature,
    }


def _readme(model: Model) -> str:
    """The model card with the metadata in front, the warnings first, and licences last."""
    spec = model.record.preprocessing
    front = yaml.safe_dump(_metadata(model), sort_keys=False, allow_unicode=True)
    title, _, card = model.card.partition("\n")
    warnings = "\n".join(f"> **{line}**" for line in model.warnings)
    use = USE.format(channels=spec.channels, size=spec.size, task=model.task.name)
    licences = "\n".join(["## Licences", "", *(f"- {line}" for line in model.licences)])
    parts = [title, warnings, card.strip(), use, *(() if "\n## Licences\n" in card else (licences,))]
    return f"---\n{front}---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _metadata(model: Model) -> dict[str, Any]:
    """The metadata by which the Hub finds a model; what is not known is left out."""
    tags = ["transfer-learning", model.task.name, *(["synthetic"] if model.record.synthetic else [])]
    found: dict[str, Any] = {
        "license": "other" if model.licence is None else model.licence,
        "library_name": "onnx",
        "pipeline_tag": "image-classification",
        "tags": tags,
    }
    if model.licence is None:
        found["license_name"] = "see-the-section-licences"
    if model.scores:
        found["metrics"] = list(dict.fromkeys(score.measure.key for score in model.scores))
        found["model-index"] = [{"name": model.name, "results": [_results(model)]}]
    return found


def _results(model: Model) -> dict[str, Any]:
    name = "synthetic images" if model.record.synthetic else "own images"
    return {
        "task": {"type": "image-classification", "name": model.task.title},
        "dataset": {"type": "other", "name": f"{name}, the test set of the run", "split": "test"},
        "metrics": [_metric(score) for score in model.scores],
    }


def _metric(score: Score) -> dict[str, Any]:
    return {"type": score.measure.key, "name": score.words, "value": score.value, "verified": False}
