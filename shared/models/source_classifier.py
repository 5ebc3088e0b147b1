"""The classifier that pretrained weights were trained with, and that is cut off when they are loaded."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from shared.errors import WeightsError
from shared.io.atomic import read_json
from shared.models.backbones.module import Backbone
from shared.models.weight_files import RANDOM, list_keys, locate_weights, read_named


@dataclass(frozen=True)
class Classifier:
    """The single linear layer that mapped a backbone's features to the classes it was trained on.

    Attributes:
        weight: float32 [classes, width] on features, or [classes, width, 1, 1] on feature maps, as SqueezeNet's.
        bias: float32 [classes].
        layers: Layers of the backbone whose outputs were its input.
        pooling: Pooling of these outputs.
    """

    weight: Tensor
    bias: Tensor
    layers: tuple[str, ...]
    pooling: str


def load_classifier(backbone: Backbone, spec: str) -> Classifier:
    """Reads the classifier that the weights of a backbone were trained with.

    Args:
        backbone: The backbone that the classifier belongs to.
        spec: Source of the weights: "imagenet"; "packaged"; a `.pth`, `.pt` or `.safetensors` file; or a finished run
            folder, whose head is the classifier.

    Raises:
        WeightsError: There is no classifier, or it has more than one layer; "random" has none.
        RunError: The run is unfinished or was changed.
    """
    if spec == RANDOM:
        raise WeightsError("random weights have no classifier whose outputs could be kept; name others")
    file = locate_weights(backbone, spec)
    prefix = "head." if file.is_run else f"{backbone.record.classifier}."
    found = {name: tensor.float() for name, tensor in read_named(backbone, file).items() if name.startswith(prefix)}
    weights = [tensor for name, tensor in found.items() if name.endswith(".weight")]
    biases = [tensor for name, tensor in found.items() if name.endswith(".bias")]
    if len(found) != 2 or len(weights) != 1 or len(biases) != 1:
        raise WeightsError(
            f"{file.path.name} holds no classifier of one layer for {backbone.record.name} (it has "
            f"{list_keys([*found]) or 'none'}): its outputs cannot be kept; hold the parameters instead"
        )
    if file.is_run:
        trained = read_json(file.path.with_name("model.json"))["backbone"]
        return Classifier(weights[0], biases[0], tuple(trained["layers"]), trained["pooling"])
    record = backbone.record
    return Classifier(weights[0], biases[0], (record.default_layer,), record.classifier_pooling)
