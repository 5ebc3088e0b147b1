"""Finding a backbone by its name, and building it with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from shared.errors import UnknownNameError, WeightsError
from shared.extras import missing, remedy
from shared.seeding import derive_seed

if TYPE_CHECKING:
    from shared.models.backbones.module import Backbone
from shared.models.backbones.mlp import PREFIX, mlp_record
from shared.models.backbones.record import BACKBONES, BackboneRecord


def find_backbone(name: str) -> BackboneRecord:
    """Finds the record of a backbone.

    Args:
        name: A registered name, `timm/MODEL` for a model of timm where that is installed, or `mlp/WIDTHS` for a
            multilayer perceptron (`shared.models.backbones.mlp`).

    Raises:
        UnknownNameError: There is no such backbone, or the package that builds it is not installed.
    """
    if name.startswith("timm/") and name not in BACKBONES:
        if find_spec("timm") is None:
            raise UnknownNameError(missing(f"backbone {name!r}", "timm"))
        from shared.models.backbones.timm import timm_record

        return timm_record(name.removeprefix("timm/"))
    if name.startswith(PREFIX):
        return mlp_record(name)
    record = BACKBONES.get(name)
    if not is_buildable(record):
        raise UnknownNameError(f"backbone {name!r} needs {record.library}; {remedy('weights')}")
    return record


def is_buildable(record: BackboneRecord) -> bool:
    """Tests whether the package that builds a backbone is installed.

    Args:
        record: Record of the backbone.
    """
    return record.library is None or find_spec(record.library) is not None


def build_backbone(
    backbone: BackboneRecord | str, *, layers: Sequence[str] | None, seed: int, input_size: int | None = None
) -> Backbone:
    """Builds a backbone with random weights that depend only on `seed`, cut off after the deepest of `layers`.

    Args:
        backbone: A record, or its name.
        layers: Names of the layers whose outputs are wanted; None: the record's default.
        seed: Seed of the random initialisation; torch's own generator is left as it was.
        input_size: Side of the network's input, in pixels, to which images of another size are resized; None: it takes
            them at the size they have, and a network that is built for one side has that of its record.

    Raises:
        UnknownNameError: There is no such backbone or layer.
        WeightsError: The installed version of the backbone's library has other stages than the record.
    """
    import torch

    from shared.models.backbones.module import Backbone

    record = find_backbone(backbone) if isinstance(backbone, str) else backbone
    name = record.name
    if record.build_at is not None:
        input_size = input_size or record.input_size
    wanted = tuple(layers or (record.default_layer,))
    unknown = [layer for layer in wanted if layer not in record.feature_layers]
    if unknown:
        known = ", ".join(record.feature_layers)
        raise UnknownNameError(f"{name} has no layer {', '.join(unknown)}; its feature layers are {known}")
    with torch.random.fork_rng(devices=[]):
        # not torch.manual_seed: that would also reseed every GPU
        torch.default_generator.manual_seed(derive_seed(seed, "backbone", name))
        original = record.build() if record.build_at is None else record.build_at(input_size or record.input_size)
    modules = record.split(original)
    if tuple(modules) != record.stages:
        raise WeightsError(
            f"{name}: the installed version of its library gives the stages {', '.join(modules)}, its record has "
            f"{', '.join(record.stages)}; install another version, or choose another backbone"
        )
    depth = max(record.stages.index(layer) for layer in wanted)
    return Backbone(
        record, {stage: modules[stage] for stage in record.stages[: depth + 1]}, original, wanted, input_size
    )
