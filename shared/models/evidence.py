"""Evidence: a map that says of each place of an image how much it looks like the positive event.

The mean over an image hides a small finding. The evidence of an image is that of its most suspicious places, so that it
is found wherever it lies; masks of findings, where there are any, teach the map where that is.

Source: Ilse et al., arXiv 1802.04712 (multiple-instance learning); Zhou et al., arXiv 1512.04150 (a linear map on the
last feature maps localises what an image was classified by).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from shared.models.pooling import as_maps

PLACES = 3
"""Most suspicious places whose mean is the evidence of an image: one alone is noise, and a small finding has few."""
FIRST_LOGIT = -2.0
"""Initial logit of every place: findings cover a small part of the images that have one."""
WEIGHTS_SD = 0.01
"""Standard deviation of the initial weights, small enough that no place begins as a finding."""


class EvidenceMap(nn.Module):
    """Maps the feature maps of several layers to a logit for each place, on the grid of the finest layer.

    Args:
        widths: By layer, the number of channels of its feature maps.
    """

    def __init__(self, widths: Mapping[str, int]) -> None:
        super().__init__()
        self.layers = tuple(widths)
        # the logits of the layers are added: one bias serves them all
        self.convolutions = nn.ModuleDict(
            {layer: nn.Conv2d(width, 1, 1, bias=False) for layer, width in widths.items()}
        )
        self.bias = nn.Parameter(torch.tensor(FIRST_LOGIT))
        for weight in self.convolutions.parameters():
            nn.init.normal_(weight, std=WEIGHTS_SD)

    def forward(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Computes the logits of all places, float [N, rows, columns].

        Args:
            maps: Feature maps [N, C, H, W], or tokens [N, T, C], by layer; other layers are not used.
        """
        parts = [self.convolutions[layer](as_maps(maps[layer])) for layer in self.layers]
        finest = max((part.shape[-2:] for part in parts), key=lambda shape: shape[0] * shape[1])
        scaled = [
            part
            if part.shape[-2:] == finest
            else F.interpolate(part, size=tuple(finest), mode="bilinear", align_corners=False)
            for part in parts
        ]
        return torch.stack(scaled).sum(dim=0)[:, 0] + self.bias


def strongest(logits: Tensor) -> Tensor:
    """Computes the evidence of each image, float [N, 1]: the mean logit of its `PLACES` (3) most suspicious places.

    Args:
        logits: float [N, rows, columns]; all places count where there are fewer.
    """
    places = logits.flatten(1)
    return places.topk(min(PLACES, places.shape[1]), dim=1).values.mean(dim=1, keepdim=True)
