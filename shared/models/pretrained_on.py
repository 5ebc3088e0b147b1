"""What weights were trained on before they are used here, in words for reports."""

from __future__ import annotations

from pathlib import Path

from shared.io.atomic import read_json
from shared.models.backbones.record import BackboneRecord
from shared.models.packaged_weights import is_packaged
from shared.models.weight_files import IMAGENET_SPEC, PACKAGED, RANDOM

NOTHING, UNKNOWN = "nothing, the weights are random", "not known"
"""The words where weights were trained on nothing, and where neither file nor record says on what."""


def pretrained_on(record: BackboneRecord, spec: str, source: Path | None = None, stated: str | None = None) -> str:
    """Says what weights were trained on; of a file that no hash identifies, that it does not say so itself.

    Args:
        record: Record of the backbone.
        spec: The weights, as `backbone.weights` takes them; they are there.
        source: Folder in which a relative path is looked up; None: the current one.
        stated: What the user states of a file; None: nothing.
    """
    if stated is not None:
        return stated
    published = record.pretrained_on or UNKNOWN
    if spec == RANDOM:
        return NOTHING
    if spec in (IMAGENET_SPEC, PACKAGED):
        return published
    path = (source or Path()) / spec
    if path.is_dir():
        before = read_json(path / "model.json")["backbone"].get("weights", {}).get("pretrained_on")
        return f"the training images of {path.name}" + (f"; before that: {before}" if before else "")
    if published == UNKNOWN or (record.packaged is not None and is_packaged(record.packaged, path)):
        return published
    return f"{published}, as the published weights of {record.name} are; the file does not say"
