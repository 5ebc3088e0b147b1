"""The mean of several networks: of their answers, as one network that holds them all, or of their weights.

The mean of the members' calibrated logits is one linear head on the features of all members joined: the head of each
member is divided by its temperature and by their number. So an ensemble is exported, judged and explained as any other
network is.

Source: Lakshminarayanan et al., arXiv 1612.01474 (ensembles; there the mean is that of probabilities); Wortsman et al.,
arXiv 2203.05482 (soups: the mean of weights that were fine-tuned from one start, and of logits as its rival).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from shared.models.network import AuxiliaryHead, Network, Trunk


class Ensemble(Network):
    """The trunks of several networks under one linear head: a network whose features are those of its members joined.

    It stands wherever a trained network is exported, judged or explained. It has no backbone of its own, so no strategy
    can train it.

    Args:
        trunks: The trunk of each member, at least two; they take the same images.
        feature_width: Width of their features together.
        classes: Number of classes.
    """

    def __init__(self, trunks: Sequence[Trunk], feature_width: int, classes: int) -> None:
        nn.Module.__init__(self)
        self.members = nn.ModuleList(trunks)
        self._add_head(feature_width, classes)

    @property
    def trunks(self) -> tuple[Trunk, ...]:
        """The trunk of each member."""
        return tuple(member for member in self.members if isinstance(member, Trunk))

    def features(self, images: Tensor) -> Tensor:
        """Computes features, float32 [N, feature_width], of images float32 [N, channels, size, size] in 0..1.

        The layers of all members come first, member by member, and then the evidence of those that have a map of it.
        """
        found = [(trunk.features(images), trunk.evidence is not None) for trunk in self.trunks]
        return torch.cat(_layers_first(found), dim=1)


def mean_of_answers(networks: Sequence[Network]) -> Ensemble:
    """Makes the network whose logits are the mean of the calibrated logits of several networks.

    Auxiliary tasks that all of them have with the same classes are answered by the mean of their logits; others are
    left out.

    Args:
        networks: Trained networks of the same classes, for the same images, at least two; they share their tensors with
            the result. None of them is an ensemble.

    Returns:
        The ensemble, with temperature 1 and in evaluation mode.
    """
    shares = [1.0 / (float(network.temperature) * len(networks)) for network in networks]
    weight, bias = _joined_heads(networks, [network.head for network in networks], shares)
    ensemble = Ensemble([_trunk_of(network) for network in networks], weight.shape[1], weight.shape[0])
    _fill(ensemble.head, weight, bias)
    for heads in _shared_auxiliary(networks):
        weight, bias = _joined_heads(networks, heads, [1.0 / len(networks)] * len(networks))
        head = AuxiliaryHead(heads[0].task, weight.shape[1], heads[0].classes)
        _fill(head, weight, bias)
        ensemble.auxiliary.append(head)
    return ensemble.eval()


def mean_of_weights(networks: Sequence[Network]) -> Network:
    """Makes the network whose weights are the mean of those of several networks (a soup).

    Heads are divided by their temperature first, so that none counts more for being sharper. Statistics of BatchNorm
    are averaged as weights are.

    Args:
        networks: Trained networks with the same tensors, at least two, which are left as they are.

    Returns:
        The mean, with temperature 1 and in evaluation mode.
    """
    averaged, states = deepcopy(networks[0]), [network.state_dict() for network in networks]
    scales = [1.0 / float(network.temperature) for network in networks]
    mean = {}
    for name, tensor in states[0].items():
        if not tensor.is_floating_point():  # counters
            mean[name] = tensor
            continue
        factors = scales if name.startswith("head.") else [1.0] * len(networks)
        parts = [factor * state[name].double() for factor, state in zip(factors, states, strict=True)]
        mean[name] = torch.stack(parts).mean(dim=0).to(tensor.dtype)
    averaged.load_state_dict(mean)
    averaged.temperature.fill_(1.0)
    return averaged.eval()


def statistics_differ(networks: Sequence[Network]) -> bool:
    """Tells whether statistics of BatchNorm differ between networks with the same tensors: whether training moved them.

    Args:
        networks: The networks.
    """
    first, *others = [_statistics(network) for network in networks]
    return any(not torch.equal(one, other) for rest in others for one, other in zip(first, rest, strict=True))


def _statistics(network: Network) -> list[Tensor]:
    return [buffer for name, buffer in network.named_buffers() if name.endswith(("running_mean", "running_var"))]


def _trunk_of(network: Network) -> Trunk:
    """The trunk of a network, which shares its modules."""
    trunk = Trunk(network.backbone, network.layers, network.pooling, mirrored=network.mirrored)
    trunk.evidence = network.evidence
    return trunk


def _shared_auxiliary(networks: Sequence[Network]) -> list[list[AuxiliaryHead]]:
    """For each auxiliary task that all networks have with the same classes, the head of each network."""
    by_task = [{(head.task, head.classes): head for head in network.auxiliary_heads()} for network in networks]
    return [[heads[task] for heads in by_task] for task in by_task[0] if all(task in heads for heads in by_task)]


def _joined_heads(
    networks: Sequence[Network], heads: Sequence[nn.Linear], shares: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Weight and bias of the head on joined features whose logits are the sum of those of `heads`, times `shares`."""
    found = [
        (share * head.weight.detach(), network.evidence is not None)
        for network, head, share in zip(networks, heads, shares, strict=True)
    ]
    biases = [share * head.bias.detach() for head, share in zip(heads, shares, strict=True)]
    return torch.cat(_layers_first(found), dim=1), torch.stack(biases).sum(dim=0)


def _layers_first(found: Sequence[tuple[Tensor, bool]]) -> list[Tensor]:
    """Sorts columns [N, width] of features or weights: those of layers of all members, then those of evidence.

    Args:
        found: The columns of each member, and whether the last of them is that of its evidence.
    """
    layers = [columns[:, :-1] if evidence else columns for columns, evidence in found]
    return [*layers, *(columns[:, -1:] for columns, evidence in found if evidence)]


@torch.no_grad()
def _fill(head: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    head.weight.copy_(weight)
    head.bias.copy_(bias)
