"""Attribution methods, by Captum: which pixels moved the score of a class. They do not localise a finding.

Captum is imported where a map is computed: with it comes Matplotlib.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shared.errors import UsageError
from shared.models.network import Network

STEPS = 32
"""Points on the path of integrated gradients; the trapezoid error on the networks here is under 2% of the score."""
SHAP_SAMPLES = 32
SHAP_NOISE = 0.05
"""Standard deviation of the noise, for pixels of 0 to 1: the best of 5% to 20% for smoothed gradients.
Source: Smilkov et al., arXiv 1706.03825, section 3."""
WINDOWS = 8
"""Windows of occlusion along a side, at steps of half a window: 225 passes an image. The number was not tuned."""
OCCLUDED_AT_ONCE = 15
"""Covered copies in one pass, one row of windows: it needs about the memory of a training step."""
OTHER_ACTIVATIONS = (nn.SiLU, nn.Hardswish, nn.GELU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Hardsigmoid, nn.Tanh)

Method = Callable[[Network, Tensor, int], Tensor]
"""Takes a network in evaluation mode, an image [1, channels, size, size] and a class; gives [1, *, size, size]."""


def attribute(
    network: Network, images: NDArray[np.float32], targets: NDArray[np.int64], device: torch.device, method: str
) -> NDArray[np.float32]:
    """Computes attribution maps of images: how far each pixel raised or lowered the score of a class.

    Args:
        network: The network; it is moved to `device` and put into evaluation mode.
        images: float32 [N, channels, size, size], 0 to 1, at least one.
        targets: int64 [N], number of the class whose score is explained, for each image.
        device: Device to compute on.
        method: A name in `METHODS`.

    Returns:
        float32 [N, size, size], signed, summed over channels: above 0 where a pixel speaks for the class. The scale
        depends on the method.

    Raises:
        UsageError: There is no such method, or it is not defined for the network.
    """
    if method not in METHODS:
        raise UsageError(f"no method {method!r}; allowed are {', '.join(METHODS)}")
    if method in OF_ONE_BACKBONE and len(network.trunks) > 1:
        raise UsageError(
            f"{method} looks at the maps of one backbone, and an ensemble has several; use {DEFAULT_METHOD}"
        )
    if method in OF_ONE_BACKBONE and network.mirrored:
        raise UsageError(
            f"{method} looks at the maps of one picture, and this network also sees its mirror image; use "
            f"{DEFAULT_METHOD}"
        )
    if method in OF_ONE_BACKBONE and network.backbone.record.tokens is not None:
        raise UsageError(
            f"{method} looks at feature maps, and {network.backbone.record.name} hands tokens from block to block; use "
            f"{DEFAULT_METHOD}"
        )
    network.to(device).eval()
    rows = []
    for image, target in zip(images, targets, strict=True):
        pixels = torch.tensor(image[None]).to(device)  # a copy: images of a cache are read-only
        found = METHODS[method](network, pixels, int(target)).detach()
        rows.append(found.sum(dim=1)[0].float().cpu().numpy())
    return np.stack(rows).astype(np.float32)


def _integrated_gradients(network: Network, image: Tensor, target: int) -> Tensor:
    """The baseline is a black image. Source: Sundararajan, Taly & Yan, arXiv 1703.01365."""
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(network)
    return method.attribute(image, target=target, n_steps=STEPS, internal_batch_size=STEPS)


def _gradient_shap(network: Network, image: Tensor, target: int) -> Tensor:
    """The baselines are a black image and one of the image's mean; the draws are fixed.

    Source: Lundberg & Lee, arXiv 1705.07874, as expected gradients.
    """
    from captum.attr import GradientShap

    baselines = torch.cat([torch.zeros_like(image), torch.ones_like(image) * image.mean()])
    with _fixed_draws():
        return GradientShap(network).attribute(
            image, baselines, n_samples=SHAP_SAMPLES, stdevs=SHAP_NOISE, target=target
        )


def _occlusion(network: Network, image: Tensor, target: int) -> Tensor:
    """The drop of the score when a square is set to the image's mean. Source: Zeiler & Fergus, arXiv 1311.2901."""
    from captum.attr import Occlusion

    channels, side = image.shape[1], max(2, image.shape[-1] // WINDOWS)
    stride = max(1, side // 2)
    with torch.no_grad():
        return Occlusion(network).attribute(
            image,
            sliding_window_shapes=(channels, side, side),
            strides=(channels, stride, stride),
            baselines=float(image.mean()),
            target=target,
            perturbations_per_eval=OCCLUDED_AT_ONCE,
        )


def _grad_cam(network: Network, image: Tensor, target: int) -> Tensor:
    """By the deepest feature maps, enlarged. Source: Selvaraju et al., arXiv 1610.02391."""
    from captum.attr import LayerGradCam

    maps = LayerGradCam(network, _deepest_maps(network, image)).attribute(image, target=target, relu_attributions=True)
    return nn.functional.interpolate(maps, image.shape[-2:], mode="bilinear", align_corners=False)


def _guided_grad_cam(network: Network, image: Tensor, target: int) -> Tensor:
    """Grad-CAM times guided backpropagation. Source: Selvaraju et al., arXiv 1610.02391, section 3.2."""
    from captum.attr import GuidedGradCam

    guided = _with_plain_relu(network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Captum announces its hooks each time
        return GuidedGradCam(guided, _deepest_maps(guided, image)).attribute(
            image, target=target, interpolate_mode="bilinear"
        )


METHODS: Mapping[str, Method] = {
    "integrated-gradients": _integrated_gradients,
    "gradient-shap": _gradient_shap,
    "occlusion": _occlusion,
    "grad-cam": _grad_cam,
    "guided-grad-cam": _guided_grad_cam,
}
OF_ONE_BACKBONE: tuple[str, ...] = ("grad-cam", "guided-grad-cam")
"""Methods that look at the deepest maps of a backbone: an ensemble has several, a network that also sees mirror images
has those of two pictures, a vision transformer has none."""
DEFAULT_METHOD = "occlusion"
"""It is defined for every network, and passes the checks of `shared.explanation.sanity_checks` most often: on 7 of 8
images (Grad-CAM 5, guided Grad-CAM 4, integrated gradients 2, gradient SHAP 1). Source: docs/lab-log.md, "Which maps
pass the checks?"."""


def methods_for(network: Network) -> tuple[str, ...]:
    """Lists the names of the attribution methods that are defined for a network, in the order of `METHODS`.

    Grad-CAM and guided Grad-CAM look at the deepest maps of one backbone: they are not defined for an ensemble, a
    network that also sees mirror images, nor a vision transformer. The guided one needs ReLU modules as the only
    activations. All others are defined for every network.
    """
    if len(network.trunks) > 1 or network.mirrored or network.backbone.record.tokens is not None:
        undefined = OF_ONE_BACKBONE
    else:
        undefined = ("guided-grad-cam",) if _why_not_guided(network) is not None else ()
    return tuple(name for name in METHODS if name not in undefined)


def _deepest_maps(network: Network, image: Tensor) -> nn.Module:
    """The last stage whose output is feature maps, not a vector."""
    backbone = network.backbone
    shapes: dict[str, int] = {}
    with torch.no_grad():
        x = backbone.adapted(image)
        for name, stage in backbone.stages.items():
            x = stage(x)
            shapes[name] = x.ndim
    deepest = [name for name, dimensions in shapes.items() if dimensions == 4][-1]
    return backbone.stages[deepest]


def _why_not_guided(network: Network) -> str | None:
    """The reason why guided backpropagation is not defined for a network; None where it is."""
    modules = list(network.modules())
    if any(isinstance(module, OTHER_ACTIVATIONS) for module in modules):
        return "has activations other than ReLU"
    stages = network.backbone.stages.values()
    convolving = [stage for stage in stages if any(isinstance(part, nn.Conv2d) for part in stage.modules())]
    if not all(any(isinstance(part, (nn.ReLU, nn.ReLU6)) for part in stage.modules()) for stage in convolving):
        return "calls ReLU as a function, which hooks cannot reach"
    return None


class _PlainReLU6(nn.Module):
    """ReLU6 as a ReLU module and a clamp: Captum guides ReLU modules only."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(x).clamp(max=6.0)


def _with_plain_relu(network: Network) -> Network:
    """A copy whose activations are ReLU modules that do not work in place, so that hooks see input and output.

    Raises:
        UsageError: The network has activations other than ReLU.
    """
    if (reason := _why_not_guided(network)) is not None:
        name = network.backbone.record.name
        raise UsageError(f"guided-grad-cam is defined for networks of ReLU modules; {name} {reason}: use grad-cam")
    guided = copy.deepcopy(network)
    for module in list(guided.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU6):
                setattr(module, name, _PlainReLU6())
            elif isinstance(child, nn.ReLU):
                setattr(module, name, nn.ReLU())
    return guided


@contextmanager
def _fixed_draws() -> Iterator[None]:
    """Seeds the global generators, from which Captum draws, and restores them afterwards."""
    state = np.random.get_state()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        np.random.seed(0)
        try:
            yield
        finally:
            np.random.set_state(state)
