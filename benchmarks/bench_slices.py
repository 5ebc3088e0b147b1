"""Measures prediction on real DICOM slices with the packaged model, beside two programs that a reader would write.

One is pydicom, OpenCV and ONNX Runtime: read, scale, resize, run. The other is MONAI and torch: its loader, transforms.
Both give probabilities alone: no order of slices, no geometry, no series, no warnings, no checks of the files.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pydicom
import torch
from numpy.typing import NDArray

from benchmarks.side_by_side import Measured, best_times
from medtl.task import TASK
from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width
from shared.prediction.predictor import Predictor
from shared.prediction.session import BATCH
from shared.runs.named import released_folders

GOALS = ">= 0.85", ">= 3"
NAME, LAYER = "mobilenet_v2", "features18"


def measure() -> list[Measured] | str:
    """Measures ours beside both programs, on one thread; returns what is needed where the data are not named."""
    data = os.environ.get("MEDTL_DATA")
    if not data:
        return "MEDTL_DATA"
    (model,) = (path for path in released_folders("medtl") if path.name == "brain-mri")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(Path(data) / "gbm_dicom.zip") as archive:
            archive.extractall(folder)
            return _measured(Path(folder), model)
    finally:
        torch.set_num_threads(threads)


def _measured(folder: Path, model: Path) -> list[Measured]:
    predictor = Predictor(model, TASK.name, TASK.preprocess, threads=1)
    size = predictor.record.preprocessing.size
    files = sorted(folder.rglob("*.dcm"))
    network = _network(size)

    def ours() -> None:
        for item in TASK.read_inputs([folder]):
            predictor.assess(item)

    def bare() -> None:
        for group in _batches(files):
            images = np.stack([_by_opencv(path, size) for path in group])
            predictor.session.run(["probabilities", "features"], {"images": images})

    times, by_hand, by_monai = best_times(ours, bare, lambda: _by_monai(files, size, network))
    what = f"{len(files)} slices of gbm_dicom.zip are read and judged, {model.name} at {size} px, one thread"
    return [
        Measured(what, times, "pydicom, OpenCV and ONNX Runtime, probabilities alone", by_hand, GOALS[0]),
        Measured(what, times, "MONAI's loader and transforms and torch, probabilities alone", by_monai, GOALS[1]),
    ]


def _by_opencv(path: Path, size: int) -> NDArray[np.float32]:
    pixels = pydicom.dcmread(path).pixel_array.astype(np.float32)
    resized = cv2.resize(pixels / pixels.max(), (size, size), interpolation=cv2.INTER_AREA)
    return resized[np.newaxis]


def _by_monai(files: Sequence[Path], size: int, network: Network) -> None:
    from monai.transforms import Compose, LoadImage, Resize, ScaleIntensity

    load = Compose(
        [
            LoadImage(reader="PydicomReader", image_only=True, ensure_channel_first=True),
            ScaleIntensity(),
            Resize((size, size)),
        ]
    )
    with torch.inference_mode():
        for group in _batches(files):
            images = torch.stack([load(path).squeeze(-1).as_tensor() for path in group])
            network(images.contiguous(memory_format=torch.channels_last)).softmax(1)


def _network(size: int) -> Network:
    """The packaged model's backbone with random weights, which take as long."""
    backbone = build_backbone(NAME, layers=[LAYER], seed=0, input_size=size)
    network = Network(backbone, [LAYER], "avg_1x1", feature_width(backbone, [LAYER], "avg_1x1", 1, size), 2).eval()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _batches(files: Sequence[Path]) -> list[Sequence[Path]]:
    return [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
