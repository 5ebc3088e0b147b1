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


def write_pictures(folder: Path, count: int) -> Path:
    """Writes chalk/3/17.png, light on dark, and pen/3/18.png, dark on light and thicker: two domains."""
    digits = load_digits()
    for number, (ink, digit) in enumerate(zip(digits.images[:count] / 16, digits.target, strict=False)):
        domain = ("chalk", "pen")[number % 2]
        shown = ink if domain == "chalk" else 1 - np.sqrt(ink)
        place = folder / domain / str(digit)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.uint8(255 * shown)).resize((32, 32)).save(place / f"{number}.png")
    return folder


def main(arguments: list[str] | None = None) -> Path:
    """Runs the example; returns the report of the training."""
    parser = argparse.ArgumentParser(description="digits: train, compare, adapt, predict")
    parser.add_argument("--out", type=Path, default=Path("digits-example"), help="folder of pictures and runs")
    parser.add_argument("--images", type=int, default=1797, help="number of pictures")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args(arguments)
    data = write_pictures(given.out / "pictures", given.images)
    app = Application(TASK, root=given.out / "runs")
    schedule = [{"epochs": given.epochs, "train": "all", "lr_head": 2e-3, "lr_backbone": 2e-3}]
    trained = {"name": "finetune", "batch_size": 64, "phases": schedule}
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
    print(found.kept.predict(next((data / "pen" / "3").iterdir())))
    return run.report


if __name__ == "__main__":
    main()
