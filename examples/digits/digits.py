"""A third domain: the handwritten digits that scikit-learn ships, trained, compared, adapted and predicted.

python examples/digits/digits.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from shared import Application, ImageTask

TASK = ImageTask(
    "digits",
    title="Handwritten digits",
    classes=[str(digit) for digit in range(10)],
    group_name="person",
    disclaimers=["Digits of 8 x 8 pixels. Who wrote which is not known, so tests may hold the hands of training."],
    colour=False,
)


def drawn(digit: np.ndarray, domain: str) -> Image.Image:
    """Draws a digit, [8, 8] from 0 to 16, in chalk, light on dark, or with a pen, dark on light and thicker."""
    ink = digit / 16
    return Image.fromarray(np.uint8(255 * (ink if domain == "chalk" else 1 - np.sqrt(ink)))).resize((32, 32))


def write_pictures(folder: Path, count: int) -> Path:
    """Writes chalk/3/17.png and pen/3/18.png, two domains."""
    digits = load_digits()
    for number, (digit, label) in enumerate(zip(digits.images[:count], digits.target, strict=False)):
        place = folder / ("chalk", "pen")[number % 2] / str(label)
        place.mkdir(parents=True, exist_ok=True)
        drawn(digit, place.parent.name).save(place / f"{number}.png")
    return folder


def main(arguments: list[str] | None = None) -> Path:
    """Runs the example; returns the report of the training."""
    parser = argparse.ArgumentParser(description="digits: train, compare, adapt, predict")
    parser.add_argument("--out", type=Path, default=Path("digits-example"), help="folder of pictures and runs")
    parser.add_argument("--images", type=int, default=1790, help="number of pictures")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args(arguments)
    data = write_pictures(given.out / "pictures", given.images)
    app = Application(TASK, root=given.out / "runs")
    schedule = [{"epochs": given.epochs, "train": "all", "lr_head": 2e-3, "lr_backbone": 2e-3}]
    trained = {"name": "finetune", "batch_size": 16, "phases": schedule}
    small = {"name": "convnet_small", "weights": "random", "size": 32}
    shared = {"data": {"source": str(data), "folders_above": "domains", "domains": ["chalk"]}, "backbone": small}

    run = app.train(settings={**shared, "strategy": trained})
    print(run.metrics["accuracy"], run.report)
    frozen = {"name": "linear_probe", "head": "softmax", "class_weights": "none"}
    strategies = {"trained": {"strategy": trained}, "frozen_random": {"strategy": frozen}}
    plan = {"name": "digits", "base": shared, "backbones": {"small": {}}, "strategies": strategies}
    print(app.compare({**plan, "seeds": list(range(given.seeds))}))
    both = {**shared, "data": {**shared["data"], "domains": []}}
    dann = {**trained, "name": "dann"}
    found = app.adapt(source="chalk", target="pen", settings={**both, "strategy": dann}, loss_weights={"dann": 1.0})
    print(found)
    drawn(load_digits().images[-1], "pen").save(given.out / "new.png")
    print(found.kept.predict(given.out / "new.png"))
    return run.report


if __name__ == "__main__":
    main()
