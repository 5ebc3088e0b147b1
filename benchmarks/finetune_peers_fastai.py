"""Trains the peers of `benchmarks.finetune_peers`: fastai's fine_tune, and logistic regression on frozen features.

It runs in an environment of its own that has fastai and scikit-learn and nothing of this project;
`benchmarks/finetune_peers.py` says how that is made.

    PEERS/bin/python benchmarks/finetune_peers_fastai.py FOLDER OUT.jsonl --weights WEIGHTS [--divisions 0 1 2]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path

import numpy as np
import torch
from fastai.vision.all import (
    CategoryBlock,
    CrossEntropyLossFlat,
    DataBlock,
    ImageBlock,
    IndexSplitter,
    Learner,
    Normalize,
    Resize,
    ResizeMethod,
    add_head,
    aug_transforms,
    imagenet_stats,
)
from fastai.vision.learner import default_split
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torchvision.models import mobilenet_v2

SIDE = 128
PICTURES = {"plain": "pictures", "cropped": "cropped"}
"""Folder of the pictures: as they are, or with the head cut out by this project."""
CELLS = {
    "logistic regression": ("plain", 0, False),
    "logistic regression, cropped": ("cropped", 0, False),
    "fastai fine_tune(3)": ("plain", 3, False),
    "fastai fine_tune(3), augmented": ("plain", 3, True),
    "fastai fine_tune(3), cropped": ("cropped", 3, False),
}
"""Pictures, epochs of fine-tuning (0: none) and whether fastai's aug_transforms vary them, by name of the cell."""


def main() -> None:
    """Computes the missing cells, division by division."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--divisions", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--recipes", nargs="+", choices=list(CELLS), default=list(CELLS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    tree = json.loads((given.folder / "divisions.json").read_text())
    done = set()
    if given.out.is_file():
        done = {(cell["recipe"], cell["division"]) for cell in map(json.loads, given.out.read_text().splitlines())}
    labels = np.array(tree["tumour"])
    probed = {kind for what, (kind, epochs, _) in CELLS.items() if what in given.recipes and not epochs}
    features = {kind: _features(given.folder / PICTURES[kind], len(labels), given.weights) for kind in probed}
    for division in given.divisions:
        rows = {name: np.array(value) for name, value in tree["divisions"][division].items()}
        for what, (kind, epochs, varied) in CELLS.items():
            if what not in given.recipes or (what, division) in done:
                continue
            started = time.perf_counter()
            if epochs:
                pictures = given.folder / PICTURES[kind]
                scores = _fine_tuned(pictures, labels, rows, given.weights, epochs=epochs, varied=varied, seed=division)
            else:
                scores = _regression(features[kind], labels, rows)
            cell = {"recipe": what, "division": division, "auc": float(roc_auc_score(labels[rows["test"]], scores))}
            cell["seconds"] = time.perf_counter() - started
            with given.out.open("a") as stream:
                stream.write(json.dumps(cell) + "\n")
            print(f"{what}, division {division}: {cell['auc']:.3f}, {cell['seconds']:.0f} s", file=sys.stderr)


class FrozenBatchNorm(torch.nn.BatchNorm2d):
    """BatchNorm in evaluation mode, always: its statistics were folded into the convolutions, batches have others."""

    def train(self, mode: bool = True) -> FrozenBatchNorm:
        """Stays in evaluation mode, whatever is asked."""
        return super().train(False)


def _body(weights: Path) -> torch.nn.Module:
    """The convolutions of MobileNetV2 with the weights of the file."""
    network = mobilenet_v2(weights=None)
    state = torch.load(weights, map_location="cpu", weights_only=True)
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    )
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.__class__ = FrozenBatchNorm
    return network.features


@torch.no_grad()
def _features(folder: Path, count: int, weights: Path) -> np.ndarray:
    """Mean-pooled features of all pictures, plainly resized to a square."""
    body = _body(weights).eval()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in imagenet_stats)
    found = []
    for number in range(count):
        picture = Image.open(folder / f"{number}.png").convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(picture, dtype=np.float32) / 255).permute(2, 0, 1)[None]
        found.append(body((pixels - mean) / std).mean(dim=(2, 3))[0].numpy())
    return np.stack(found)


def _regression(features: np.ndarray, labels: np.ndarray, rows: dict[str, np.ndarray]) -> np.ndarray:
    """Scores of the test by scikit-learn's logistic regression with its defaults on scaled features."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(features[rows["train"]], labels[rows["train"]])
    return np.asarray(model.decision_function(features[rows["test"]]))


def _fine_tuned(
    folder: Path,
    labels: np.ndarray,
    rows: dict[str, np.ndarray],
    weights: Path,
    *,
    epochs: int,
    varied: bool,
    seed: int,
) -> np.ndarray:
    """Scores of the test after fastai's fine_tune with its default head, rates and schedule."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    items = [*rows["train"].tolist(), *rows["validation"].tolist()]
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=[False, True])),
        get_x=lambda number: folder / f"{number}.png",
        get_y=lambda number: bool(labels[number]),
        splitter=IndexSplitter(list(range(len(rows["train"]), len(items)))),
        item_tfms=Resize(SIDE, method=ResizeMethod.Squish),
        batch_tfms=[*(aug_transforms() if varied else []), Normalize.from_stats(*imagenet_stats)],
    )
    loaders = block.dataloaders(items, bs=64, num_workers=0, device=torch.device("cpu"))
    model = add_head(_body(weights), 1280, 2)
    learner = Learner(loaders, model, loss_func=CrossEntropyLossFlat(), splitter=default_split)
    with learner.no_bar(), learner.no_logging():
        learner.freeze()
        learner.fine_tune(epochs)
        answers, _ = learner.get_preds(dl=loaders.test_dl(rows["test"].tolist()))
    return np.asarray(answers[:, 1])


if __name__ == "__main__":
    main()
