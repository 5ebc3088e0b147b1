"""Codes of images, the pooled outputs of a frozen backbone's layer, as a transformer of scikit-learn."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from shared.errors import DataError
from shared.models.backbones.build import build_backbone, find_backbone
from shared.models.held_stages import fitted_record
from shared.models.network import Trunk
from shared.models.pooling import POOLINGS
from shared.models.weights import load_weights


class Codes(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns images into codes: the pooled outputs of a layer of a frozen, pretrained network.

    A transformer of scikit-learn: `make_pipeline(Codes("resnet18"), LinearSVC())`. Nothing is trained.

    Images are float [n, channels, height, width] or [n, height, width], 0 to 1; or uint8 [n, height, width] or
    [n, height, width, 3], 0 to 255. There are 1 or 3 channels.

    Args:
        backbone: Name of the network; `backbones()` lists all.
        weights: "imagenet", "packaged", "random", a weights file, or the folder of a finished run.
        layer: Name of a layer, or several, whose codes are joined; None: the network's default.
        pooling: How a layer's maps become a code: "avg_1x1", "avg_2x2", "avg_3x3", "avg_7x7", "max_1x1", "avg_max";
            of a vision transformer also "cls" and "cls_avg".
        size: Side to which images are resized, in pixels; None: they keep theirs.
        batch_size: Images that go through the network at once.
        device: Where it computes: "cpu", "cuda".
        seed: Seed of random weights.

    Attributes:
        network_: The frozen network, after `fit`.
        layers_: Names of its layers.
    """

    def __init__(
        self,
        backbone: str = "resnet18",
        weights: str = "imagenet",
        layer: str | tuple[str, ...] | None = None,
        pooling: str = "avg_1x1",
        size: int | None = None,
        batch_size: int = 32,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self.backbone, self.weights, self.layer, self.pooling = backbone, weights, layer, pooling
        self.size, self.batch_size, self.device, self.seed = size, batch_size, device, seed

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Builds the network and reads its weights; of the images only the form is checked, and labels are not used.

        Args:
            X: Images, in one of the forms above.
            y: Not used.

        Raises:
            UnknownNameError: There is no such network or layer.
            ValueError: There is no such pooling.
            WeightsError: The weights are missing, damaged, or of another network.
            DataError: The images have another form.
        """
        _checked(X)
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling is {self.pooling!r}; allowed are {', '.join(POOLINGS)}")
        layers = (self.layer,) if isinstance(self.layer, str) else self.layer
        record = fitted_record(find_backbone(self.backbone), self.weights)
        backbone = build_backbone(record, layers=layers, seed=self.seed, input_size=self.size)
        load_weights(backbone, self.weights)
        self.layers_ = backbone.layers
        self.network_ = Trunk(backbone, backbone.layers, self.pooling).eval().requires_grad_(False).to(self.device)
        first = self._codes(_checked(X)[:1])
        self._n_features_out = first.shape[1]
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803 - scikit-learn's name
        """Computes the codes of images, float32 [n, width].

        Args:
            X: Images, in one of the forms above.

        Raises:
            DataError: The images have another form.
            NotFittedError: `fit` was not called.
        """
        check_is_fitted(self)
        images = _checked(X)
        blocks = [self._codes(images[at : at + self.batch_size]) for at in range(0, len(images), self.batch_size)]
        return np.concatenate(blocks)

    @torch.inference_mode()
    def _codes(self, images: NDArray[Any]) -> NDArray[np.float32]:
        pixels = torch.from_numpy(_as_input(images)).to(self.device)
        return np.asarray(self.network_.features(pixels).float().cpu().numpy(), dtype=np.float32)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        tags.requires_fit = True
        return tags


def _checked(images: Any) -> NDArray[Any]:
    """The images as an array of an allowed form.

    Raises:
        DataError: They have another form, or values outside of 0 to 1.
    """
    array = np.asarray(images)
    is_bytes = array.dtype == np.uint8
    axis = -1 if is_bytes else 1
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[axis] not in (1, 3)):
        raise DataError(
            f"images have the shape {array.shape} and type {array.dtype}; give float [n, channels, height, width] or "
            "[n, height, width] from 0 to 1, or uint8 [n, height, width] or [n, height, width, 3]"
        )
    if not len(array):
        raise DataError("there is no image; give at least one")
    if not is_bytes and (not np.issubdtype(array.dtype, np.floating) or not _in_unit_range(array)):
        raise DataError(
            f"images of type {array.dtype} hold {array.min()} to {array.max()}; give floats from 0 to 1, or "
            "uint8 from 0 to 255"
        )
    return array


def _in_unit_range(array: NDArray[Any]) -> bool:
    return bool(np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1)


def _as_input(images: NDArray[Any]) -> NDArray[np.float32]:
    """The images as the network takes them, float32 [n, channels, height, width], 0 to 1."""
    if images.dtype == np.uint8:
        scaled = images.astype(np.float32) / 255
        return np.ascontiguousarray(scaled[:, None] if images.ndim == 3 else np.moveaxis(scaled, -1, 1))
    return np.ascontiguousarray(images[:, None] if images.ndim == 3 else images, dtype=np.float32)
