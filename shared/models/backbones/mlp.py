"""Multilayer perceptrons as backbones, for vectors: word counts, measurements, codes of another network.

`mlp/100` has one hidden layer of 100 units, `mlp/200x50` two; `mlp/standardised/100` first brings each value to mean 0
and variance 1 over the training data, by a BatchNorm without weights. A vector comes alone, float32 [N, width], or laid
out by rows as a square picture [N, 1, side, side], the form in which a run keeps it.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from shared.errors import UnknownNameError
from shared.models.backbones.record import BackboneRecord
from shared.seeding import derive_seed

if TYPE_CHECKING:
    from torch import nn

    from shared.models.backbones.module import Backbone

PREFIX = "mlp/"
STANDARDISED = "standardised"
USUAL_SIDE = 16
NAME = re.compile(rf"{PREFIX}({STANDARDISED}/)?([1-9][0-9]*(?:x[1-9][0-9]*)*)")


def mlp_record(name: str) -> BackboneRecord:
    """Makes the record of a multilayer perceptron from its name; each hidden layer is a stage, `hidden1` the first.

    Args:
        name: `mlp/` and the width of each hidden layer, joined by `x`; `standardised/` before them where values are to
            be standardised first, which is the stage `standardised`.

    Raises:
        UnknownNameError: The name is none of that form.
    """
    match = NAME.fullmatch(name)
    if match is None:
        raise UnknownNameError(
            f"backbone {name!r}: give the widths of the hidden layers, as in mlp/100, mlp/200x50 or "
            "mlp/standardised/100"
        )
    hidden = tuple(int(width) for width in match[2].split("x"))
    return _record(name, hidden, standardise=match[1] is not None)


def multilayer_perceptron(width: int, hidden: tuple[int, ...], *, seed: int) -> Backbone:
    """Builds a multilayer perceptron with random weights; each hidden layer is a stage, `hidden1` the first.

    The images of a `shared.data.split.Split` are then vectors float32 [width]. They are not scaled: bring their values
    to about one.

    Args:
        width: Width of the input vectors.
        hidden: Width of each hidden layer; the output of the last is the features.
        seed: Seed of the weights; torch's own generator is left as it was.
    """
    import torch

    from shared.models.backbones.module import Backbone

    record = _record("mlp", hidden, standardise=False)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(seed, "backbone", "mlp"))
        original = _network(width, hidden, standardise=False)
    return Backbone(record, record.split(original), original, record.stages[-1:])


def _record(name: str, hidden: tuple[int, ...], *, standardise: bool) -> BackboneRecord:
    first = (STANDARDISED,) if standardise else ()
    stages = (*first, *(f"hidden{number}" for number in range(1, len(hidden) + 1)))

    def build_at(side: int) -> Any:
        return _network(side**2, hidden, standardise=standardise)

    return BackboneRecord(
        name=name,
        stages=stages,
        default_layer=stages[-1],
        classifier="",
        build=partial(build_at, USUAL_SIDE),
        build_at=build_at,
        split=lambda network: dict(network.named_children()),
        licence="Apache-2.0",
        source="this project",
        channels=1,
        input_size=USUAL_SIDE,
        min_size=1,
        mean=(0.0,),
        std=(1.0,),
    )


def _network(width: int, hidden: tuple[int, ...], *, standardise: bool) -> nn.Sequential:
    from torch import nn

    stages: OrderedDict[str, nn.Module] = OrderedDict()
    if standardise:
        stages[STANDARDISED] = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(width, affine=False))
    for number, (before, after) in enumerate(pairwise((width, *hidden)), start=1):
        stages[f"hidden{number}"] = nn.Sequential(nn.Flatten(), nn.Linear(before, after), nn.ReLU())
    return nn.Sequential(stages)
