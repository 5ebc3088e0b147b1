"""The configuration that advice starts from: data, seed, device and image sides, which the user may set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shared.config.read import apply_override, validate
from shared.config.schema import Config
from shared.data.loading import load_told
from shared.errors import ConfigError
from shared.task import Task

ALLOWED_KEYS = ("data", "seed", "device", "backbone.size", "backbone.store_size")
MEASURED_IMAGES = 32
"""Images whose size is read, at most."""
SIDES = ((48, {"store_size": 32, "size": 64}), (128, {"size": 96}))
LARGE_SIDES = {"size": 160}
"""Sides of the network input by the longest side of the median image, both in pixels: those of the configurations in
configs/, with which the runs of docs/lab-log.md were made."""


def advised_settings(task: Task, data: Path, overrides: Sequence[str]) -> Config:
    """Builds the configuration that advice starts from; unless an image side is set, it follows the images.

    Args:
        task: The application.
        data: The dataset.
        overrides: `key=value` words of the command line; only `ALLOWED_KEYS` may be set.

    Raises:
        ConfigError: An override sets what advice chooses, or does not fit the schema.
        DataError: The data cannot be read.
    """
    tree: dict[str, object] = {"data": {"source": str(data)}}
    for override in overrides:
        key = override.partition("=")[0]
        if key == "data.source":
            raise ConfigError(f"{override!r}: the data are the command's own argument; leave data.source out")
        if not any(key == one or key.startswith(f"{one}.") for one in ALLOWED_KEYS):
            raise ConfigError(
                f"{override!r}: advice chooses this itself; leave it out. Allowed are {', '.join(ALLOWED_KEYS)}"
            )
        apply_override(tree, override)
    config = validate(Config, tree, origin="the command line")
    if "size" in config.backbone.model_fields_set:
        return config
    backbone = tree.get("backbone")
    sides = {**sides_for(_longest_side(task, config)), **(backbone if isinstance(backbone, dict) else {})}
    return validate(Config, {**tree, "backbone": sides}, origin="the command line")


def sides_for(longest_side: float) -> dict[str, int]:
    """Chooses the image sides of the section `backbone` by the size of the images.

    Args:
        longest_side: Longest side of the median image, in pixels.

    Returns:
        Keys of the section, in pixels: `size` and, for small images, `store_size`.
    """
    return next((sides for limit, sides in SIDES if longest_side <= limit), LARGE_SIDES)


def _longest_side(task: Task, config: Config) -> float:
    """Median longest side of some images outside the test, in pixels."""
    options = {**task.default_options, **config.data.options}
    dataset = load_told(task, {"": Path(str(config.data.source))}, config.data.meanings, options)[""]
    samples = [sample for sample in dataset.samples if sample.split != "test" or config.data.split.how == "drawn"]
    step = max(1, len(samples) // MEASURED_IMAGES)
    return float(np.median([max(task.read(sample).shape[:2]) for sample in samples[::step][:MEASURED_IMAGES]]))
