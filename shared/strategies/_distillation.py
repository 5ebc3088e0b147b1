"""Distillation from the source network (learning without forgetting): its outputs for the classes it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from shared.errors import ConfigError
from shared.models.network import Network
from shared.models.source_classifier import Classifier, load_classifier


class SourceHead(nn.Module):
    """The source's classifier, applied to the outputs of a backbone.

    A classifier on feature maps, such as SqueezeNet's, is a 1 x 1 convolution, ReLU, then the average over the map.

    Args:
        classifier: Weights of the classifier; they are copied.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(classifier.weight.clone()), nn.Parameter(classifier.bias.clone())

    def forward(self, network: Network, maps: Mapping[str, Tensor]) -> Tensor:
        """Computes the logits of the classes that the source network was trained on, float [N, source classes].

        Args:
            network: The network, whose choice of layers and pooling turns `maps` into features.
            maps: Outputs of its backbone for N images, by name of the layer.
        """
        if self.weight.ndim == 4:
            return F.relu(F.conv2d(maps[network.layers[-1]], self.weight, self.bias)).mean(dim=(2, 3))
        return F.linear(network.features_of(maps), self.weight, self.bias)


class SourceOutputs(nn.Module):
    """Distillation loss between a network and the frozen source network, over the source's classes.

    The network gets a copy of the source's classifier, which is trained with it. The source is no part of this
    module's state, and so is in no checkpoint.

    Args:
        network: The network with the weights of the source, before it is trained.
        weights: Source of these weights, as in `shared.models.weights.load_weights`.
        temperature: Temperature of the softmax over both networks' logits, above 0.

    Raises:
        ConfigError: Layers or pooling of the network are not those that the classifier was trained on.
        WeightsError: The weights have no classifier of one layer.

    Source: Li & Hoiem, Learning without forgetting, arXiv 1606.09282, equations 2 and 3; Hinton et al., arXiv
    1503.02531 (temperature; its square keeps the gradients of one size).
    """

    def __init__(self, network: Network, weights: str, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        classifier = load_classifier(network.backbone, weights)
        if (network.layers, network.pooling) != (classifier.layers, classifier.pooling):
            raise ConfigError(
                f"strategy.outputs: the source's classifier was trained on {', '.join(classifier.layers)} under "
                f"{classifier.pooling}, and the network has {', '.join(network.layers)} under {network.pooling}; set "
                "backbone.layers and backbone.pooling to those of the source"
            )
        self.head = SourceHead(classifier)
        frozen = deepcopy([network.backbone, self.head])
        self._source = [module.eval().requires_grad_(False) for module in frozen]  # a list: not a part of this module

    def forward(self, network: Network, images: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """Computes the distillation loss of a batch, a scalar: T^2 KL(source || network), the mean over its images.

        T is the temperature. Both networks are compared on the classes of the source.

        Args:
            network: The network that is trained.
            images: float32 [N, channels, size, size] in 0..1.
            maps: Outputs of its backbone for these images, by name of the layer.
        """
        with torch.no_grad():
            backbone, head = (module.to(images.device) for module in self._source)
            wanted = head(network, backbone(images)).float()
        return self.distance(self.head(network, maps).float(), wanted)

    def distance(self, scores: Tensor, wanted: Tensor) -> Tensor:
        """Computes T^2 KL(wanted || scores), a scalar, the mean over N images; T is the temperature.

        Args:
            scores: float32 [N, source classes], logits of the network that is trained.
            wanted: float32 [N, source classes], logits of the frozen source network.
        """
        logs, target = (F.log_softmax(one / self.temperature, dim=1) for one in (scores, wanted))
        return self.temperature**2 * F.kl_div(logs, target, reduction="batchmean", log_target=True)
