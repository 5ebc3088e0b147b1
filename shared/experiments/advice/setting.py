"""The setting in which all candidates of advice are measured: images, folds and scorer."""

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
from shared.experiments.advice.pool import Pool
from shared.experiments.advice.scorer import Scorer
from shared.models.backbones.build import build_backbone
from shared.models.backbones.module import Backbone
from shared.models.local_weights import LocalWeights
from shared.models.weights import load_weights
from shared.pipeline.build import split_of
from shared.pipeline.preflight import Experiment, preflight
from shared.progress import Progress
from shared.task import Preprocessing, positive_classes

FOLDS = 5
MAX_TUNING_SIDE, MAX_TUNING_IMAGES = 96, 800
"""Input side in pixels and number of images with which fine-tuning is tried: some 30 s of MobileNetV2 on two cores."""


@dataclass(frozen=True)
class Setting:
    """Images with folds and scorer, on which candidates are measured.

    Attributes:
        experiment: The run that is to be advised; of its backbone and strategy only the image sides are used.
        pool: The pool that the images are drawn from.
        split: The preprocessed images.
        folds: int64 [N], number of each image's fold; no group has images in two folds.
        scorer: Measures scores of the images.
        progress: Called with (what, done, total, note).
    """

    experiment: Experiment
    pool: Pool
    split: Split
    folds: NDArray[np.int64]
    scorer: Scorer
    progress: Progress

    @classmethod
    def read(cls, experiment: Experiment, pool: Pool, progress: Progress) -> Setting:
        """Reads the images of a pool and assigns them to folds.

        Args:
            experiment: The run that is to be advised.
            pool: The samples.
            progress: Called with (what, done, total, note).

        Raises:
            DataError: All images belong to one group, or one cannot be read.
        """
        task, spec = experiment.task, experiment.spec
        samples = pool.dataset.samples
        groups = len(np.unique(pool.units))
        if groups < 2:
            raise DataError(f"all {len(samples)} images belong to one group; advice needs two groups or more")
        folds = fold_numbers(samples, pool.units, min(FOLDS, groups), experiment.config.seed)
        split = split_of(task, pool.dataset, np.arange(len(samples)), pool.units, spec, progress, "for advice")
        scorer = Scorer(split.labels, np.array(positive_classes(task, pool.dataset.classes)), pool.units)
        return cls(experiment, pool, split, folds, scorer, progress)

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
        """The device to compute on."""
        return self.experiment.device

    def side_of(self, one: LocalWeights) -> int:
        """Computes the side of the network input on which a backbone is tried, in pixels.

        Images that are stored smaller are enlarged to the side of the configuration, but not beyond that which the
        backbone was trained on: letters for a reader of lines 48 pixels high to 48 and not to 64.

        Args:
            one: The backbone and its weights.
        """
        size, stored = self.config.backbone.size, self.config.backbone.store_size
        return size if stored is None else max(stored, min(size, one.record.input_size))

    def build_backbone(self, one: LocalWeights) -> Backbone:
        """Builds a pretrained backbone with all its stages, for the side on which it is tried.

        Args:
            one: The backbone and its weights.
        """
        layers = one.record.feature_layers
        backbone = build_backbone(one.record, layers=layers, seed=self.config.seed, input_size=self.side_of(one))
        load_weights(backbone, one.weights)
        return backbone.to(memory_format=torch.channels_last)

    def config_for(self, one: LocalWeights, sections: Mapping[str, Any]) -> Config:
        """Writes the configuration of a recipe on a backbone, with the data and sides of this setting.

        Args:
            one: The backbone and its weights.
            sections: The recipe, as `shared.experiments.advice.recipes.recipe` returns it.
        """
        tree = self.config.model_dump(mode="json", exclude_unset=True)
        backbone: dict[str, Any] = {"size": self.side_of(one), "store_size": self.config.backbone.store_size}
        backbone |= {"name": one.name, "weights": one.weights, **sections.get("backbone", {})}
        return validate(Config, {**tree, "backbone": backbone, "strategy": sections["strategy"]}, origin="advice")

    def reduced(self, one: LocalWeights) -> Setting:
        """Makes a setting with fewer and smaller images, for fine-tuning; returns itself where it is small enough.

        Args:
            one: A backbone that takes images of the present side, and then takes the smaller ones.
        """
        size, stored = self.config.backbone.size, self.config.backbone.store_size
        if size <= MAX_TUNING_SIDE and len(self.folds) <= MAX_TUNING_IMAGES:
            return self
        side = next(side for side in range(min(size, MAX_TUNING_SIDE), 0, -1) if one.record.takes(side))
        sides = {"size": side, "store_size": stored if stored is not None and stored <= side else None}
        config = self.config.model_copy(update={"backbone": self.config.backbone.model_copy(update=sides)})
        experiment = preflight(self.experiment.task, config)
        return Setting.read(experiment, self.pool.thinned(MAX_TUNING_IMAGES, self.config.seed), self.progress)
