"""What a person may say before advice is measured: the data, the seed, the device and the side of the images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shared.config.read import apply_override, validate
from shared.config.schema import Config
from shared.errors import ConfigError
from shared.task import Task

ALLOWED = ("data", "seed", "device", "backbone.size", "backbone.store_size")
LOOKED_AT = 32
"""Images whose size is read."""
SIDES = ((48, {"store_size": 32, "size": 64}), (128, {"size": 96}))
LARGE = {"size": 160}
"""By the longest side of the usual image, in pixels: the sides of configs/, which lab-log.md's runs were made with."""


def advised_settings(task: Task, data: Path, words: Sequence[str]) -> Config:
    """The configuration of a person's words; where they name no side, one that fits the images.

    Raises:
        ConfigError: A word is of what advice is about, or does not fit the schema.
        DataError: The data cannot be read.
    """
    tree: dict[str, object] = {"data": {"source": str(data)}}
    for word in words:
        key = word.partition("=")[0]
        if key == "data.source" or not any(key == one or key.startswith(f"{one}.") for one in ALLOWED):
            raise ConfigError(
                f"{word!r}: advice is given on the rest; allowed are {', '.join(ALLOWED)}, but not data.source"
            )
        apply_override(tree, word)
    config = validate(Config, tree, origin="the command line")
    if "size" in config.backbone.model_fields_set:
        return config
    sides = sides_for(_longest_side(task, config))
    return validate(Config, {**tree, "backbone": {**sides, **_given(tree)}}, origin="the command line")


def sides_for(longest: float) -> dict[str, int]:
    """Sides of the network's input, and of the images that are kept, for images of a longest side in pixels."""
    return next((sides for most, sides in SIDES if longest <= most), LARGE)


def _given(tree: dict[str, object]) -> dict[str, object]:
    backbone = tree.get("backbone")
    return backbone if isinstance(backbone, dict) else {}


def _longest_side(task: Task, config: Config) -> float:
    """The median of some images that are not of the test."""
    dataset = task.load(Path(str(config.data.source)), options={**task.default_options, **config.data.options})
    samples = [sample for sample in dataset.samples if sample.split != "test" or config.data.split.how == "drawn"]
    step = max(1, len(samples) // LOOKED_AT)
    return float(np.median([max(task.read(sample).shape[:2]) for sample in samples[::step][:LOOKED_AT]]))
