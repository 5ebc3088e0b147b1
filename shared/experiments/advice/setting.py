"""What all that advice measures shares: images, their folds and their judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.config.read import validate
from shared.config.schema import Config
from shared.data.group_split import fold_numbers
from shared.data.split import Split
from shared.errors import DataError
from shared.experiments.advice.judge import Judge
from shared.experiments.advice.pool import Pool
from shared.models.backbones.build import build_backbone, find_backbone
from shared.models.backbones.module import Backbone
from shared.models.local_weights import LocalWeights
from shared.models.weights import load_weights
from shared.pipeline.build import split_of
from shared.pipeline.preflight import Experiment, preflight
from shared.progress import Progress
from shared.task import Preprocessing, positive_classes

FOLDS = 5
BRIEF_SIDE, BRIEF_IMAGES = 96, 800
"""Fine-tuning is tried at this side at most, and on so many images: with MobileNetV2 some 30 s on two cores."""


@dataclass(frozen=True)
class Setting:
    """The images that are measured on.

    Attributes:
        experiment: The run that is to be advised; of its backbone and strategy the sides alone are used.
        pool: Where the images come from.
        split: The images.
        folds: [N] number of the fold of each; no group stands in two.
        judge: Of the images.
        progress: Called with (what, done, total, note).
    """

    experiment: Experiment
    pool: Pool
    split: Split
    folds: NDArray[np.int64]
    judge: Judge
    progress: Progress

    @classmethod
    def read(cls, experiment: Experiment, pool: Pool, progress: Progress) -> Setting:
        """Reads the images of a pool and divides them into folds.

        Raises:
            DataError: They are all of one group.
        """
        task, spec = experiment.task, experiment.spec
        samples = pool.dataset.samples
        groups = len(np.unique(pool.units))
        if groups < 2:
            raise DataError(f"all {len(samples)} images are of one group (patient, writer); advice needs two or more")
        folds = fold_numbers(samples, pool.units, min(FOLDS, groups), experiment.config.seed)
        split = split_of(task, pool.dataset, np.arange(len(samples)), pool.units, spec, progress, "for advice")
        judge = Judge(split.labels, np.array(positive_classes(task, pool.dataset.classes)), pool.units)
        return cls(experiment, pool, split, folds, judge, progress)

    @property
    def config(self) -> Config:
        """The configuration of the run that is to be advised."""
        return self.experiment.config

    @property
    def spec(self) -> Preprocessing:
        """The preprocessing of the images."""
        return self.experiment.spec

    @property
    def device(self) -> torch.device:
        """Where to compute."""
        return self.experiment.device

    def backbone(self, one: LocalWeights, side: int) -> Backbone:
        """Pretrained, with all stages, for a side of the network's input."""
        layers = find_backbone(one.name).feature_layers
        input_size = None if side == self.spec.size else side
        backbone = build_backbone(one.name, layers=layers, seed=self.config.seed, input_size=input_size)
        load_weights(backbone, one.weights)
        return backbone.to(memory_format=torch.channels_last)

    def configured(self, one: LocalWeights, sections: Mapping[str, Any]) -> Config:
        """The configuration that a recipe makes of this one, for a backbone."""
        tree = self.config.model_dump(mode="json", exclude_unset=True)
        sides = self.config.backbone
        backbone: dict[str, Any] = {"size": sides.size, "store_size": sides.store_size}
        backbone |= {"name": one.name, "weights": one.weights, **sections.get("backbone", {})}
        return validate(Config, {**tree, "backbone": backbone, "strategy": sections["strategy"]}, origin="advice")

    def briefer(self) -> Setting:
        """Fewer and smaller images, for what takes long; itself where it is small already."""
        size, stored = self.config.backbone.size, self.config.backbone.store_size
        if size <= BRIEF_SIDE and len(self.folds) <= BRIEF_IMAGES:
            return self
        side = min(size, BRIEF_SIDE)
        sides = {"size": side, "store_size": stored if stored is not None and stored <= side else None}
        config = self.config.model_copy(update={"backbone": self.config.backbone.model_copy(update=sides)})
        briefer = preflight(self.experiment.task, config)
        return Setting.read(briefer, self.pool.fewer(BRIEF_IMAGES, self.config.seed), self.progress)
