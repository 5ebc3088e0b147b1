"""The engine's parts for a training loop of one's own: networks with weights, freezing, learning rates, strategies."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.config.read import validate
from shared.data.split import Split, unlabelled
from shared.errors import ConfigError, DataError
from shared.models.backbones.build import build_backbone, find_backbone
from shared.models.held_stages import fitted_record
from shared.models.network import Network, feature_width
from shared.models.weights import load_weights
from shared.progress import Showing, showing
from shared.samples import Grouping, Sample
from shared.seeding import derive_seed
from shared.strategies import find_strategy
from shared.task import Preprocessing
from shared.training.freezing import BatchNormOption, batch_norm_policy, resolve_stages, set_mode, set_trainable
from shared.training.job import Job, Target
from shared.training.rates import parameter_groups

if TYPE_CHECKING:
    from shared.models.backbones.module import Backbone

Pixels = NDArray[np.float32]


def backbone(
    name: str,
    weights: str = "random",
    *,
    layers: Sequence[str] | None = None,
    input_size: int | None = None,
    seed: int = 0,
) -> Backbone:
    """Builds a pretrained network without its classifier: a torch module from images to the outputs of its layers.

    It takes images float32 [n, 1 or 3, height, width], 0 to 1, resizes and normalises them itself, and returns by name
    of the layer feature maps [n, c, h, w], vectors [n, width], or tokens [n, t, c]. `stages` are its parts by name.

    Args:
        name: Name of the network.
        weights: "random", "imagenet", "packaged", a weights file, or the folder of a finished run.
        layers: Names of the layers that are returned; None: its default layer, or the deepest that the weights hold.
            What is deeper is left out.
        input_size: Side to which images are resized, in pixels; None: they keep theirs.
        seed: Seed of random weights.

    Raises:
        UnknownNameError: There is no such network or layer.
        WeightsError: The weights are missing, damaged, or of another network.
    """
    record = fitted_record(find_backbone(name), weights)
    built = build_backbone(record, layers=layers, seed=seed, input_size=input_size)
    load_weights(built, weights)
    return built


def network(
    name: str,
    classes: int,
    weights: str = "random",
    *,
    layers: Sequence[str] | None = None,
    pooling: str = "avg_1x1",
    input_size: int = 224,
    channels: int = 3,
    seed: int = 0,
) -> Network:
    """Builds a network for classification: a pretrained backbone, pooling, and a new linear head.

    A torch module from images float32 [n, channels, height, width], 0 to 1, to logits [n, classes]; `features(images)`
    gives what the head gets.

    Args:
        name: Name of the backbone.
        classes: Number of classes.
        weights: As in `backbone`.
        layers: Names of the layers whose pooled outputs are joined; None: the backbone's default layer.
        pooling: How a layer's maps become a vector, such as "avg_1x1".
        input_size: Side to which images are resized, in pixels.
        channels: Channels of the images, 1 or 3.
        seed: Seed of all random weights.

    Raises:
        UnknownNameError: There is no such network or layer.
        WeightsError: The weights are missing, damaged, or of another network.
    """
    built = backbone(name, weights, layers=layers, input_size=input_size, seed=seed)
    width = feature_width(built, built.layers, pooling, channels, input_size)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(seed, "head"))
        return Network(built, built.layers, pooling, width, classes)


@dataclass(frozen=True)
class FreezeSchedule:
    """A schedule of unfreezing for a loop of one's own: which stages train in which epoch.

    Attributes:
        phases: Pairs of a number of epochs and what trains in them beside the head: "none", "last:N", "all", or names
            of stages. `[(3, "none"), (7, "all")]` trains the head alone for 3 epochs, then everything for 7.
        batch_norm: What changes in the BatchNorm of trained stages: "train" (statistics and weights), "freeze_stats"
            (weights alone), or "freeze_all".
    """

    phases: Sequence[tuple[int, str | Sequence[str]]] = ((3, "none"), (7, "all"))
    batch_norm: BatchNormOption = "train"

    @property
    def epochs(self) -> int:
        """Number of epochs of all phases."""
        return sum(epochs for epochs, _ in self.phases)

    def stages(self, network: Network, epoch: int) -> tuple[str, ...]:
        """Names the stages that train in an epoch, from input to output.

        Args:
            network: The network.
            epoch: Number of the epoch, from 0.

        Raises:
            ConfigError: The epoch is behind the last phase, or a phase names a stage that there is not.
        """
        first = 0
        for epochs, rule in self.phases:
            if first <= epoch < first + epochs:
                return resolve_stages(rule, tuple(network.backbone.stages))
            first += epochs
        raise ConfigError(f"epoch {epoch} is behind the schedule, which has {self.epochs}")

    def begins_phase(self, epoch: int) -> bool:
        """Tells whether a phase begins with an epoch, so that the optimiser has to be made anew.

        Args:
            epoch: Number of the epoch, from 0.
        """
        begins = np.cumsum([0, *(epochs for epochs, _ in self.phases)])[:-1]
        return epoch in begins

    def apply(self, network: Network, epoch: int) -> tuple[str, ...]:
        """Freezes and unfreezes a network for an epoch: gradients, and training or evaluation mode.

        A frozen stage keeps its BatchNorm statistics, and drops nothing out. Call it at the start of each epoch.

        Args:
            network: The network; it is changed in place.
            epoch: Number of the epoch, from 0.

        Returns:
            Names of the stages that train.

        Raises:
            ConfigError: As for `stages`.
        """
        train, policy = self.stages(network, epoch), batch_norm_policy(self.batch_norm, folded=False)
        set_trainable(network.backbone.stages, network.head, train, policy)
        network.train()
        set_mode(network.backbone.stages, network.head, train, policy)
        return train

    def parameters(
        self,
        network: Network,
        epoch: int,
        *,
        lr_head: float = 1e-3,
        lr_backbone: float = 1e-4,
        lr_decay: float = 1.0,
        weight_decay: float = 1e-4,
    ) -> list[dict[str, Any]]:
        """Makes the parameter groups for torch's optimisers: a rate for the head, others for the trained stages.

        Args:
            network: The network, as `apply` left it.
            epoch: Number of the epoch, from 0.
            lr_head: Rate of the head.
            lr_backbone: Rate of the last trained stage.
            lr_decay: Factor on the rate from each stage to the one before it.
            weight_decay: Weight decay of matrices and kernels; vectors have none.

        Raises:
            ConfigError: As for `stages`.
        """
        return parameter_groups(
            network.backbone.stages,
            network.new_modules(),
            self.stages(network, epoch),
            lr_head=lr_head,
            lr_backbone=lr_backbone,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
        )


def fit(
    network: Network,
    train: tuple[Pixels, Sequence[int]],
    validation: tuple[Pixels, Sequence[int]],
    strategy: str | Mapping[str, Any] = "finetune",
    *,
    target: tuple[Pixels, Pixels] | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Showing = False,
) -> list[dict[str, Any]]:
    """Trains a network in place by one of the strategies; it keeps the weights that validation prefers.

    Args:
        network: The network.
        train: Images float32 [n, channels, size, size], 0 to 1, and their labels, whole numbers from 0.
        validation: The same for validation, of other patients or writers.
        strategy: Name of a strategy, or its options with `name`: `{"name": "finetune", "batch_size": 8}`.
        target: Unlabelled images to adapt to: those to learn from, and those to choose checkpoints by; None: none.
        device: Where it computes: "cpu", "cuda".
        seed: Seed of all draws.
        progress: Whether progress is shown; or the function that shows it.

    Returns:
        The history: a row for each epoch, or for each setting that was compared.

    Raises:
        UnknownNameError: There is no such strategy.
        ConfigError: An option is unknown or does not fit.
        DataError: Images and labels do not fit together.
    """
    given = {"name": strategy} if isinstance(strategy, str) else dict(strategy)
    chosen = find_strategy(str(given.get("name")))
    if chosen.needs_target and target is None:
        raise ConfigError(f"strategy {given['name']} needs a target; give `target`, unlabelled images to adapt to")
    if hasattr(chosen.options, "model_fields") and "augmentation" in chosen.options.model_fields:
        given.setdefault("augmentation", "none")  # images vary as an application says, and here is none
    options = validate(chosen.options, given, origin="strategy", prefix="strategy.")
    chosen.check(options, tuple(network.backbone.stages))
    classes = network.head.out_features
    parts = {name: _split(name, *pair, classes) for name, pair in (("train", train), ("validation", validation))}
    first = parts["train"].images[0]
    adapted = None if target is None else Target(*(_unlabelled(images) for images in target))
    with tempfile.TemporaryDirectory() as folder, showing(progress) as shown:
        job = Job(
            network=network.to(device),
            train=parts["train"],
            validation=parts["validation"],
            classes=tuple(str(number) for number in range(classes)),
            miss_costs=(1.0,) * classes,
            spec=Preprocessing(first.shape[-1], channels=first.shape[0]),
            content_hash=_hash(train[0], validation[0]),
            fingerprint=_hash(train[0], np.asarray(train[1])),
            augment=None,
            seed=seed,
            device=torch.device(device),
            folder=Path(folder),
            progress=shown,
            target=adapted,
        )
        history = chosen.fit(job, options)
    network.eval()
    return history


def _hash(*arrays: NDArray[Any]) -> str:
    import hashlib

    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _split(name: str, images: Pixels, labels: Sequence[int], classes: int) -> Split:
    """Images and labels as a split, each image a group of its own."""
    numbers = np.asarray(labels, dtype=np.int64)
    pixels = np.asarray(images, dtype=np.float32)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or pixels.shape[2] != pixels.shape[3]:
        raise DataError(f"{name}: images have the shape {pixels.shape}; give [n, 1 or 3 channels, size, size]")
    if pixels.size and not (pixels.min() >= 0 and pixels.max() <= 1):  # NaN too
        raise DataError(f"{name}: images hold {pixels.min():g} to {pixels.max():g}; give 0 to 1, such as images / 255")
    if numbers.shape != (len(pixels),):
        raise DataError(
            f"{name}: {len(pixels)} images and labels of the shape {numbers.shape}; give one label an image"
        )
    if len(numbers) == 0 or numbers.min() < 0 or numbers.max() >= classes:
        raise DataError(f"{name}: labels must be whole numbers from 0 to {classes - 1}, one for each of the images")
    samples = [Sample(f"{name}-{number}", f"{name}-{number}", str(label)) for number, label in enumerate(numbers)]
    return Split(samples, list(pixels), numbers, Grouping.of(samples, range(len(samples))))


def _unlabelled(images: Pixels) -> Split:
    found = unlabelled(_split("target", images, [0] * len(images), 1))
    return replace(found, samples=[replace(sample, domain="target") for sample in found.samples])
