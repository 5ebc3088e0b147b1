"""A finished training, as its report needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.data.split import Split
from shared.evaluation.cases import Cases, UsageContext, image_cases
from shared.evaluation.verdict import Labels
from shared.models.network import Network
from shared.runs.record import ModelRecord


@dataclass(frozen=True)
class Finished:
    """A finished training.

    Attributes:
        record: The run's model record.
        config: The resolved configuration, YAML.
        usage: Prevalence and costs where the model will be used.
        notes: Sentences about the data that must be shown.
        splits: Images and labels, by name of the split; validation is the training images again where folds chose, and
            missing where nothing could choose.
        probabilities: float64 [N, classes] for "validation" and "test", without a validation that is missing.
        uncalibrated: float64 [N, classes] of "test", before the temperature.
        results: Results of the splits in `probabilities`, as `shared.evaluation.evaluate.evaluate` gives them, each
            with its `abstention`, where a class is positive `missed`, and where there are auxiliary tasks `auxiliary`.
        history: Rows of `metrics.jsonl`.
        environment: Content of `environment.json`.
        network: The trained network, in evaluation mode.
        nearest: Finds the training images whose features are nearest to those of test images: maps the indices of
            these, at least one, to a row of indices each, nearest first.
        device: Device on which the network is explained.
        explained_images: Number of test images with masks that every attribution method explains; fewer where the data
            have fewer.
        chosen_by: What chose the settings of a run where validation did not, one sentence; empty for other runs.
        domains_left_out: Whether each domain of validation was judged by a network that was trained without it.
        published: A published result of this setting, as in a configuration, or None.
    """

    record: ModelRecord
    config: str
    usage: UsageContext
    notes: tuple[str, ...]
    splits: Mapping[str, Split]
    probabilities: Mapping[str, NDArray[np.float64]]
    uncalibrated: NDArray[np.float64]
    results: Mapping[str, Mapping[str, Any]]
    history: Sequence[Mapping[str, Any]]
    environment: Mapping[str, Any]
    network: Network
    nearest: Callable[[Sequence[int]], NDArray[np.int64]]
    device: torch.device
    explained_images: int = 0
    chosen_by: tuple[str, ...] = ()
    domains_left_out: bool = False
    published: Mapping[str, Any] | None = None

    def cases(self) -> Cases:
        """Makes a case of each test image, with the calibrated probabilities, decided as the run decides."""
        test = self.splits["test"]
        return image_cases(self.probabilities["test"], test.labels, self.record, test.grouping.units, self.usage)

    def fewest_labels(self, display_name: Callable[[str], str]) -> Labels:
        """Finds the class with the fewest independent units in training, and among such the fewest images.

        Args:
            display_name: Gives the name of a class for people.
        """
        train, classes = self.splits["train"], self.record.classes
        units = np.asarray(train.grouping.units)
        counts = [
            (len(set(units[train.labels == label].tolist())), int((train.labels == label).sum()), name)
            for label, name in enumerate(classes)
        ]
        fewest, images, name = min(counts)
        return Labels(display_name(name), images, fewest)
