"""Compares plain fine-tuning with fastai's fine_tune and scikit-learn on few MRI pictures, over grouped divisions.

    python -m benchmarks.finetune_peers divide FOLDER DATA.zip
    python -m benchmarks.finetune_peers train FOLDER OUT.jsonl [RECIPE...] --weights WEIGHTS [--divisions 0 1 2 3 4]
    python -m venv PEERS && PEERS/bin/pip install fastai scikit-learn torch torchvision
    PEERS/bin/python benchmarks/finetune_peers_fastai.py FOLDER OUT.jsonl --weights WEIGHTS
    python -m benchmarks.finetune_peers table OUT.jsonl --base RECIPE [--divisions 5 6 7 8 9]

Recipes come before the options. With the registry's torch the environment of the peers takes 5.8 GB.

`divide` writes the pictures and the divisions, so that the peers, which know nothing of this project, see the same
training and test images. WEIGHTS is a state dict of torchvision's MobileNetV2 with BatchNorm folded. Cells that
OUT.jsonl has are not computed again. The peers learn from the training images alone; the engine also looks at
validation where its recipe selects by it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from medtl.labels import TUMOUR
from medtl.task import TASK
from shared.config.read import load_config
from shared.config.schema import Config, DataSection
from shared.data.group_split import draw_split
from shared.data.loading import load_dataset
from shared.data.partition import audited, split_audited
from shared.data.split import Split
from shared.pipeline.build import split_of
from shared.pipeline.fit import fit
from shared.pipeline.preflight import Experiment, preflight
from shared.samples import SPLITS, Dataset, Sample
from shared.task import Preprocessing
from shared.training.job import Job
from shared.training.selection import best_row

DIVISIONS, SIDE, STORED_SIDE = 10, 128, 384
CONFIG = Path("configs/medtl/default.yaml")
RECIPES: Mapping[str, Sequence[str]] = {
    "default": [],
    "no crop": ["data.options.crop=false"],
    "no augmentation": ["strategy.augmentation=none"],
    "bare strategy": ["strategy={name: finetune}"],
    "bare strategy, statistics trained": ["strategy={name: finetune, batch_norm: train}"],
    "probe first, brief": [
        "strategy={name: finetune, batch_norm: freeze_stats, head: probe, batch_size: 16, ema_decay: 0.99, phases: "
        "[{epochs: 6, train: all, lr_head: 1.0e-4, lr_backbone: 2.0e-4, lr_decay: 0.9}]}"
    ],
    "frozen": ["strategy={name: linear_probe, head: softmax}"],
}
"""Overrides of the shipped configuration, by name; bare: with the options of the strategy itself, phases too."""


def main() -> None:
    """Divides the data, computes the missing cells, or prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    dividing = commands.add_parser("divide")
    dividing.add_argument("folder", type=Path)
    dividing.add_argument("data", type=Path)
    training = commands.add_parser("train")
    training.add_argument("folder", type=Path)
    training.add_argument("out", type=Path)
    training.add_argument("recipes", nargs="*", default=["default"])
    training.add_argument("--weights", type=Path, required=True)
    training.add_argument("--divisions", type=int, nargs="+", default=list(range(DIVISIONS)))
    table = commands.add_parser("table")
    table.add_argument("out", type=Path, nargs="+")
    table.add_argument("--base", default="default")
    table.add_argument("--divisions", type=int, nargs="+", default=list(range(DIVISIONS)))
    given = parser.parse_args()
    if given.command == "divide":
        divide(given.folder, given.data)
    elif given.command == "train":
        if unknown := set(given.recipes) - set(RECIPES):
            parser.error(f"no recipe {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}")
        _train(given.folder, given.out, given.recipes, given.weights, given.divisions)
    else:
        print_table([cell for path in given.out for cell in read_cells(path)], given.base, given.divisions)


def divide(folder: Path, data: Path) -> None:
    """Writes what all trainings share: `pictures/N.png`, `cropped/N.png` and `divisions.json`.

    Args:
        folder: The folder to write to; it is made.
        data: Pictures in folders by class, or a zip of them.
    """
    wanted = DataSection(source=str(data), options={"labels": "binary"})
    spec = Preprocessing(SIDE, 1, {**TASK.default_options, **wanted.options})
    dataset = load_dataset(TASK, wanted, spec, folder, _quiet)
    found = audited(TASK, dataset, _quiet)
    first = split_audited(wanted, dataset, found, seed=0)
    samples = first.dataset.samples
    for name in ("pictures", "cropped"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    images = TASK.images(samples, spec, dataset.content_hash, _quiet)
    for number, (sample, image) in enumerate(zip(samples, images, strict=True)):
        pixels = np.clip(TASK.read(sample), 0, 255).astype(np.uint8)
        picture = Image.fromarray(pixels).convert("RGB")
        picture.thumbnail((STORED_SIDE, STORED_SIDE))  # some have 1900 pixels, and the peers read them in every epoch
        picture.save(folder / "pictures" / f"{number}.png")
        Image.fromarray((image[0] * 255).round().astype(np.uint8)).convert("RGB").save(
            folder / "cropped" / f"{number}.png"
        )
    splits = [draw_split(samples, seed=seed, units=first.units) for seed in range(DIVISIONS)]
    tree = {
        "source": str(data.resolve()),
        "tumour": [_is_tumour(sample) for sample in samples],
        "units": first.units.tolist(),
        "divisions": [{name: split[name].tolist() for name in SPLITS} for split in splits],
    }
    (folder / "divisions.json").write_text(json.dumps(tree))
    counts = ", ".join(f"{len(splits[0][name])} {name}" for name in SPLITS)
    print(f"{len(samples)} images, {len(np.unique(first.units))} units, {sum(tree['tumour'])} with a tumour: {counts}")


def read_cells(path: Path) -> list[dict[str, Any]]:
    """Reads the cells of a file; none where it does not exist."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def _train(folder: Path, out: Path, recipes: Sequence[str], weights: Path, divisions: Sequence[int]) -> None:
    """Trains the missing cells, division by division, so that an interrupted study compares all recipes."""
    torch.set_num_threads(1)
    TASK.register_backbones()
    tree = json.loads((folder / "divisions.json").read_text())
    done = {(cell["recipe"], cell["division"]) for cell in read_cells(out)}
    for division in divisions:
        for name in recipes:
            if (name, division) not in done:
                experiment = preflight(TASK, config_of(name, weights, division))
                dataset, splits = _read(experiment, tree, division, folder)
                cell = {"recipe": name, "division": division, **trained(experiment, dataset, splits)}
                with out.open("a") as stream:
                    stream.write(json.dumps(cell) + "\n")
                print(f"{name}, division {division}: {cell['auc']:.3f}, {cell['seconds']:.0f} s", file=sys.stderr)


def config_of(name: str, weights: Path, division: int) -> Config:
    """Writes the configuration of a cell; the division is also the seed of training."""
    backbone = ["backbone.name=mobilenet_v2", f"backbone.weights={weights}", f"backbone.size={SIDE}"]
    return load_config(CONFIG, ["data.options.labels=binary", f"seed={division}", *backbone, *RECIPES[name]])


def _read(
    experiment: Experiment, tree: Mapping[str, Any], division: int, folder: Path
) -> tuple[Dataset, dict[str, Split]]:
    """Reads the splits of a division."""
    wanted = DataSection(source=tree["source"], options=dict(experiment.config.data.options))
    dataset = load_dataset(TASK, wanted, experiment.spec, folder, _quiet)
    if [_is_tumour(sample) for sample in dataset.samples] != tree["tumour"]:
        raise SystemExit(f"{folder} was divided from other data; divide it again")
    units, rows = np.array(tree["units"]), tree["divisions"][division]
    return dataset, {
        name: split_of(TASK, dataset, np.array(rows[name]), units, experiment.spec, _quiet, name) for name in SPLITS
    }


def trained(experiment: Experiment, dataset: Dataset, splits: Mapping[str, Split]) -> dict[str, Any]:
    """Trains one cell and judges it on the test, after each epoch too.

    Returns:
        `auc` and `validation_auc` of the network that is kept, and `epochs`, a row for each with the test's `auc` and
        the `validation_score`: what other rules of selection would have kept.
    """
    curve: list[dict[str, float]] = []

    def judge(job: Job, _: int) -> None:
        curve.append({"auc": _auc(job, splits["test"])})

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        fitted = fit(experiment, dataset, splits, folder=Path(scratch), progress=_quiet, on_epoch_end=judge)
    epochs = [row for row in fitted.history if "epoch" in row]
    for measured, row in zip(curve, epochs, strict=True):
        measured["validation_score"] = row["validation_score"]
    best = best_row(epochs)
    return {
        "auc": _auc(fitted.job, splits["test"]),
        "validation_auc": _auc(fitted.job, splits["validation"]),
        "kept": None if best is None else epochs.index(dict(best)) + 1,
        "epochs": curve,
        "seconds": time.perf_counter() - started,
    }


@torch.no_grad()
def _auc(job: Job, split: Split) -> float:
    """AUC of the tumour among the images of a split, by the network of a job."""
    network, positive = job.network, job.classes.index(TUMOUR)
    training = network.training
    network.eval()
    scores = network(torch.from_numpy(np.stack(list(split.images)))).double()
    network.train(training)
    margin: NDArray[np.float64] = (scores[:, positive] - scores[:, 1 - positive]).numpy()
    return float(roc_auc_score(split.labels == positive, margin))


def print_table(cells: Sequence[Mapping[str, Any]], base: str, divisions: Sequence[int]) -> None:
    """Prints the mean test AUC of each recipe, and its paired difference from `base`, with two intervals."""
    found: dict[str, dict[int, float]] = {}
    for cell in cells:
        if cell["division"] in divisions:
            found.setdefault(cell["recipe"], {})[cell["division"]] = cell["auc"]
            for row in cell.get("epochs", ())[-1:]:
                found.setdefault(f"{cell['recipe']} (last epoch)", {})[cell["division"]] = row["auc"]
    if base not in found:
        raise SystemExit(f"no cell of {base}; there are {', '.join(found)}")
    print("| recipe | divisions | AUC | worst | less " + base + " | corrected interval |\n|---|---:|---|---:|---|---|")
    for name, values in found.items():
        shared = sorted(set(values) & set(found[base]))
        gaps = np.array([values[i] - found[base][i] for i in shared])
        numbers = np.array(list(values.values()))
        spread = f" ({numbers.std(ddof=1):.3f})" if len(numbers) > 1 else ""
        row = [name, str(len(numbers)), f"{numbers.mean():.3f}{spread}", f"{numbers.min():.3f}"]
        row += [f"{gaps.mean():+.3f} {_shown(interval(gaps))}", _shown(interval(gaps, corrected=True))]
        print("| " + " | ".join(row) + " |")


def interval(gaps: NDArray[np.float64], *, corrected: bool = False) -> tuple[float, float] | None:
    """Computes the 95% interval of a mean difference over divisions; None for fewer than two.

    Args:
        gaps: float64 [N], the difference in each division.
        corrected: Whether to allow for divisions that share images, a third as many for the test as for training.

    Source: Nadeau & Bengio, Machine Learning 52:239, 2003, the corrected resampled t-test.
    """
    if len(gaps) < 2:
        return None
    variance = gaps.var(ddof=1) * (1 / len(gaps) + (1 / 3 if corrected else 0.0))
    margin = float(student.ppf(0.975, len(gaps) - 1) * np.sqrt(variance))
    return float(gaps.mean()) - margin, float(gaps.mean()) + margin


def _is_tumour(sample: Sample) -> bool:
    return sample.label == TUMOUR


def _shown(bounds: tuple[float, float] | None) -> str:
    return "" if bounds is None else f"[{bounds[0]:+.3f}, {bounds[1]:+.3f}]"


def _quiet(*_: object) -> None:
    pass


if __name__ == "__main__":
    main()
