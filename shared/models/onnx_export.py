"""ONNX export of the trained network, checked against torch before anything relies on it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.errors import ExportError
from shared.io.atomic import naming_faults
from shared.models.network import Calibrated, Network
from shared.task import Preprocessing

TOLERANCE = 1e-4
"""Largest allowed difference between torch and ONNX Runtime: of probabilities, and of features by their length."""
OPSET = 18
"""Version of the ONNX operator set."""


def export_onnx(network: Network, spec: Preprocessing, path: Path, check: NDArray[np.float32]) -> float:
    """Exports a network to the ONNX file `path`, and compares its outputs with those of torch.

    The input is `images`; the outputs are `probabilities`, `features`, and `auxiliary_NAME` for each auxiliary task.
    The size of a batch is free.

    Args:
        network: The trained network, on the CPU and in evaluation mode.
        spec: Preprocessing, which gives the shape of the input.
        path: The file to write; it appears only when the check has passed.
        check: Images float32 [N, channels, size, size] in 0..1 to compare on.

    Returns:
        The largest difference of a probability, or of features divided by their length.

    Raises:
        ExportError: The difference exceeds `TOLERANCE`.
    """
    model = Calibrated(network).cpu().eval()
    partial = path.with_suffix(".partial.onnx")
    example = torch.zeros(2, spec.channels, spec.size, spec.size)
    try:
        with naming_faults(path):
            _export(model, example, partial)
        difference = _difference(model, partial, check)
        if not difference <= TOLERANCE:
            raise ExportError(
                f"the exported network differs from torch by {difference:.2e}; at most {TOLERANCE} is allowed. Other "
                "versions of torch and ONNX Runtime may help"
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return difference


def _export(model: Calibrated, example: torch.Tensor, path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), _out_of_place(model):
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        program = torch.onnx.export(
            model,
            (example,),
            dynamo=True,
            input_names=["images"],
            output_names=_outputs(model),
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise ExportError("the exporter returned nothing")
    program.save(str(path), external_data=False)


@contextmanager
def _out_of_place(model: Calibrated) -> Iterator[None]:
    """Keeps activations from working in place, which the exporter takes twice as long to undo."""
    modules: list[Any] = [module for module in model.modules() if getattr(module, "inplace", False) is True]
    for module in modules:
        module.inplace = False
    try:
        yield
    finally:
        for module in modules:
            module.inplace = True


def _difference(model: Calibrated, path: Path, check: NDArray[np.float32]) -> float:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = [part.numpy() for part in model(torch.from_numpy(check))]
    # the difference of features is divided by their length, as the out-of-distribution score uses directions
    length = float(np.linalg.norm(expected[1], axis=1).max()) or 1.0
    scales = [1.0, length, *(1.0 for _ in expected[2:])]
    differences = []
    # one image and many take the same path through a graph whose batch size is free
    for images in (check, check[:1]):
        found = session.run(_outputs(model), {"images": images})
        for ours, theirs, scale in zip(expected, found, scales, strict=True):
            differences.append(np.abs(ours[: len(images)] - theirs).max() / scale)
    return float(np.max(differences))  # NumPy's maximum keeps NaN, which Python's drops


def _outputs(model: Calibrated) -> list[str]:
    return ["probabilities", "features", *(f"auxiliary_{head.task}" for head in model.network.auxiliary_heads())]
