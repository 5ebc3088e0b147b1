"""Vectors in place of pictures: the wines that scikit-learn ships, 13 measurements each, by a small perceptron.

python examples/wine/wine.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_wine

from shared import Application, VectorTask

TASK = VectorTask(
    "wine",
    title="Wines of three growers by 13 measurements",
    width=13,
    labels={"0": "grower_a", "1": "grower_b", "2": "grower_c"},
    disclaimers=["178 wines of one region: the intervals are wide."],
)


def main(arguments: list[str] | None = None) -> Path:
    """Runs the example; returns the report of the training."""
    parser = argparse.ArgumentParser(description="wine: train, compare, predict")
    parser.add_argument("--out", type=Path, default=Path("wine-example"), help="folder of vectors and runs")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the comparison; 0: no comparison")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    wine, data = load_wine(), given.out / "wine.npz"
    np.savez(data, X=wine.data, y=wine.target)
    app = Application(TASK, root=given.out / "runs")

    schedule = [{"epochs": given.epochs, "train": "all", "lr_head": 1e-2, "lr_backbone": 1e-2}]
    settings = {**TASK.settings(hidden=(50,)), "strategy.phases": schedule, "strategy.batch_size": 16}
    run = app.train(data=data, settings=settings)
    print(run.metrics["accuracy"], run.report)
    if given.seeds:
        plan = {
            "name": "wine",
            "base": {"strategy": {"name": "finetune", "augmentation": "none", "batch_size": 16, "phases": schedule}},
            "backbones": {
                "as_measured": {"backbone": TASK.backbone(hidden=(50,), standardised=False)},
                "standardised": {"backbone": TASK.backbone(hidden=(50,))},
            },
            "strategies": {"trained": {}},
            "seeds": list(range(given.seeds)),
        }
        print(app.compare(plan, data=data))
    np.savez(given.out / "new.npz", X=wine.data[:2])
    print(run.predict(given.out / "new.npz"))
    return run.report


if __name__ == "__main__":
    main()
