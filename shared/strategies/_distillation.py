"""What the source network said, by the classifier it was trained with: outputs that a target network may be held to."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from shared.errors import ConfigError
from shared.models.network import Network
from shared.models.weights import Classifier, load_classifier


class SourceHead(nn.Module):
    """The source's classifier on the outputs of a backbone.

    On maps, as SqueezeNet has it, it is a 1 x 1 convolution, ReLU, then the average over the map.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(classifier.weight.clone()), nn.Parameter(classifier.bias.clone())

    def forward(self, network: Network, maps: Mapping[str, Tensor]) -> Tensor:
        """Scores, float [N, classes], of what the backbone of `network` gave."""
        if self.weight.ndim == 4:
            return F.relu(F.conv2d(maps[network.layers[-1]], self.weight, self.bias)).mean(dim=(2, 3))
        return F.linear(network.features_of(maps), self.weight, self.bias)


class SourceOutputs(nn.Module):
    """Distance of a network's answers to the source's classes from what the source itself says of the same images.

    The network has a copy of the source's classifier, which learns with it. The source is frozen; it is no part of this
    module's state, and so in no checkpoint.

    Args:
        network: With the weights of the source, before it is trained.
        weights: Where they come from, as in `shared.models.weights.load_weights`.
        temperature: Both are divided by it before the softmax.

    Raises:
        ConfigError: The network's code is not what the classifier stood on.
        WeightsError: There is no classifier of one layer.

    Source: Li & Hoiem, Learning without forgetting, arXiv 1606.09282, equations 2 and 3; Hinton et al., arXiv
    1503.02531 (temperature; its square keeps the gradients of one size).
    """

    def __init__(self, network: Network, weights: str, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        classifier = load_classifier(network.backbone, weights)
        if (network.layers, network.pooling) != (classifier.layers, classifier.pooling):
            raise ConfigError(
                f"strategy.outputs: the source's classifier stood on {', '.join(classifier.layers)} under "
                f"{classifier.pooling}; set backbone.layers and backbone.pooling so"
            )
        self.head = SourceHead(classifier)
        frozen = deepcopy([network.backbone, self.head])
        self._source = [module.eval().requires_grad_(False) for module in frozen]  # a list: not a part of this module

    def forward(self, network: Network, images: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """Mean over a batch of T^2 KL(source, network), a scalar.

        Args:
            network: That is trained.
            images: float32 [N, channels, size, size].
            maps: What its backbone gives of them.
        """
        with torch.no_grad():
            backbone, head = (module.to(images.device) for module in self._source)
            wanted = head(network, backbone(images)).float()
        return self.distance(self.head(network, maps).float(), wanted)

    def distance(self, scores: Tensor, wanted: Tensor) -> Tensor:
        """That of scores [N, classes] that are known already."""
        logs, target = (F.log_softmax(one / self.temperature, dim=1) for one in (scores, wanted))
        return self.temperature**2 * F.kl_div(logs, target, reduction="batchmean", log_target=True)
