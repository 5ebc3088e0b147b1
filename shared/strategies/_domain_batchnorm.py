"""Domain-specific BatchNorm: statistics for source and target each, one scale and shift for both.

The modules of the network keep the statistics of the target, so that the exported network is a plain one;
`SourceStatistics` holds those of the source, for evaluating source images.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name
from torch.nn.modules.batchnorm import _BatchNorm

from shared.data.split import Split
from shared.errors import ConfigError
from shared.models.network import Network
from shared.seeding import generator
from shared.training.job import Job
from shared.training.passes import images_at_once, stack_images


class SourceStatistics(nn.Module):
    """Means and variances of the source for each BatchNorm of a network, as buffers.

    Args:
        network: The network whose present statistics they start from.

    Source: Li et al., AdaBN, arXiv 1603.04779; with both domains in training Chang et al., arXiv 1906.03950.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.count = 0
        for norm in batch_norms(network):
            for name, statistic in zip(("mean", "variance"), _statistics(norm), strict=True):
                self.register_buffer(f"{name}{self.count}", statistic.clone())
            self.count += 1

    @contextmanager
    def apart(self, network: Network, labelled: int) -> Iterator[None]:
        """Makes the network normalise source and target images separately, within a `with` block.

        In training mode each part is normalised by its own batch statistics, which update the stored ones. In
        evaluation mode each is normalised by its stored statistics.

        Args:
            network: The network whose BatchNorm modules are changed within the block.
            labelled: Number of source images, which come first in a batch; the rest are target images.
        """
        norms = batch_norms(network)
        for number, norm in enumerate(norms):
            norm.forward = partial(_in_halves, norm, self._of(number), labelled)  # type: ignore[method-assign]
        try:
            yield
        finally:
            for norm in norms:
                del norm.forward

    @contextmanager
    def in_place(self, network: Network) -> Iterator[None]:
        """Puts the source's BatchNorm statistics into the network within a `with` block, then the target's back.

        Args:
            network: The network whose BatchNorm modules hold the statistics of the target outside of the block.
        """
        self._swap(network)
        try:
            yield
        finally:
            self._swap(network)

    @torch.no_grad()
    def _swap(self, network: Network) -> None:
        for number, norm in enumerate(batch_norms(network)):
            for own, other in zip(_statistics(norm), self._of(number), strict=True):
                kept = own.clone()
                own.copy_(other)
                other.copy_(kept)

    def _of(self, number: int) -> tuple[Tensor, Tensor]:
        return cast(Tensor, getattr(self, f"mean{number}")), cast(Tensor, getattr(self, f"variance{number}"))


@torch.no_grad()
def learn_statistics(network: Network, split: Split, device: torch.device) -> None:
    """Replaces the statistics of every BatchNorm by those of the images of a split; no weight changes.

    The order of the images is drawn: files are often sorted by class, and the variance within one class is too small.

    Args:
        network: The network, changed in place; it is moved to `device` and left in evaluation mode.
        split: The images; their labels are not used.
        device: Device to compute on.
    """
    norms = batch_norms(network)
    network.to(device).eval()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    drawn = split.of(generator(0, "BatchNorm statistics").permutation(len(split.samples)))
    size = images_at_once(split)
    for start in range(0, len(split.samples), size):
        stop = min(start + size, len(split.samples))
        if start == 0 or stop - start == size:  # a short last batch would count as much as a whole one
            network.features(stack_images(drawn, start, stop, device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


def require_batch_norm(job: Job, what: str, instead: str) -> None:
    """Checks that the network of a job has BatchNorm whose statistics may be those of a domain.

    Where the pretrained weights have BatchNorm folded into their convolutions, its statistics are mean 0 and variance 1
    and belong to no layer's outputs: others would end what the weights had learnt, and with these nothing is adapted.

    Args:
        job: The training, before it begins.
        what: What needs BatchNorm ("strategy adabn"), for the message.
        instead: What to choose instead, for the message.

    Raises:
        ConfigError: The backbone has no BatchNorm, or it is folded.
    """
    if not batch_norms(job.network):
        raise ConfigError(f"{what} needs BatchNorm, and this backbone has none; choose another backbone, or {instead}")
    if job.folded_batch_norm:
        raise ConfigError(
            f"{what} needs BatchNorm, and these weights have it folded into their convolutions; choose weights where "
            f"it is not folded, or {instead}"
        )


def batch_norms(network: Network) -> list[_BatchNorm]:
    """Lists the BatchNorm modules of a network that keep statistics, in a fixed order; empty where there are none."""
    return [one for one in network.modules() if isinstance(one, _BatchNorm) and one.running_mean is not None]


def _statistics(norm: _BatchNorm) -> tuple[Tensor, Tensor]:
    return cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)


def _in_halves(norm: _BatchNorm, source: tuple[Tensor, Tensor], labelled: int, x: Tensor) -> Tensor:
    halves = []
    for half, (mean, variance) in ((x[:labelled], source), (x[labelled:], _statistics(norm))):
        momentum = 0.1 if norm.momentum is None else norm.momentum
        halves.append(F.batch_norm(half, mean, variance, norm.weight, norm.bias, norm.training, momentum, norm.eps))
    return torch.cat(halves)
