"""A multilayer perceptron as a backbone, for inputs that are vectors, such as word counts."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn

from shared.models.backbones.module import Backbone
from shared.models.backbones.record import BackboneRecord
from shared.seeding import derive_seed


def multilayer_perceptron(width: int, hidden: tuple[int, ...], *, seed: int) -> Backbone:
    """Builds a multilayer perceptron with random weights; each hidden layer is a stage, `hidden1` the first.

    The images of a `shared.data.split.Split` are then vectors float32 [width]. They are not scaled: bring their values
    to about one.

    Args:
        width: Width of the input vectors.
        hidden: Width of each hidden layer; the output of the last is the features.
        seed: Seed of the weights; torch's own generator is left as it was.
    """
    names = tuple(f"hidden{number}" for number in range(1, len(hidden) + 1))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(seed, "backbone", "mlp"))
        layers = [nn.Sequential(nn.Linear(before, after), nn.ReLU()) for before, after in pairwise((width, *hidden))]
    stages: OrderedDict[str, nn.Module] = OrderedDict(zip(names, layers, strict=True))
    original = nn.Sequential(stages)
    record = BackboneRecord(
        name="mlp",
        stages=names,
        default_layer=names[-1],
        classifier="",
        build=lambda: original,
        split=lambda network: dict(network.named_children()),
        licence="Apache-2.0",
        source="this project",
        channels=1,
        mean=(0.0,),
        std=(1.0,),
    )
    return Backbone(record, stages, original, record.stages[-1:])
