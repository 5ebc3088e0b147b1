"""Domain-adversarial training on word counts, as in Ganin et al., JMLR 17(59), 2016, section 5.1.

python examples/sentiment_dann/sentiment.py reviews.zip

Every pair of domains: a classifier is trained on labelled reviews of one and unlabelled ones of the other, and tested
on other reviews of the latter.
"""

from __future__ import annotations

import argparse
import json
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import dump_svmlight_file
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.svm import LinearSVC

from shared import Application, VectorTask

WORDS, GENERATED_WORDS = 5000, 300
HIDDEN = 100
"""Width of the hidden layer, the largest that the paper tried."""
STRENGTHS = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
COLUMNS = {
    "source only": "source only",
    "reverse validation": "chosen setting, kept or not",
    "label-free": "label-free",
    "oracle": "oracle",
}
"""Columns of the table, by their names in the results of an adaptation: "reverse validation" takes the setting that it
chooses, "label-free" only where mutual information agrees, and "oracle" is what the target's labels would choose."""


def sentiment_task(words: int) -> VectorTask:
    """Makes the task for counts of so many words; indices of the paper's files begin at 0."""
    return VectorTask(
        "sentiment",
        title="Sentiment of reviews by word counts",
        width=words,
        labels={"-1": "negative", "1": "positive"},
        group_name="review",
        disclaimers=["Words are counted, not read: irony and negation are lost."],
        transform="log1p",
        zero_based=True,
    )


def generate(folder: Path, words: int = GENERATED_WORDS, texts: int = 400) -> Path:
    """Writes three synthetic domains: 20 words of either class are shared, 40 belong to one domain alone."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for number, domain in enumerate(("alpha", "beta", "gamma")):
        for part in ("train", "test"):
            labels = random.integers(0, 2, texts)
            rates = np.tile(np.minimum(0.01 * random.pareto(1.5, words), 0.5), (texts, 1))
            for label in (0, 1):
                own = 40 + 80 * number + 40 * label
                rates[np.ix_(labels == label, np.arange(20) + 20 * label)] = 0.08
                rates[np.ix_(labels == label, np.arange(own, own + 40))] = 0.12
            dump_svmlight_file(random.poisson(rates), 2 * labels - 1, str(folder / f"{domain}_{part}.svmlight"))
    return folder


def linear(task: VectorTask, data: Path, source: str, target: str) -> dict[str, float]:
    """Trains a linear SVM and logistic regression on the source; returns their accuracy on the target's test.

    The strength of the penalty is chosen by cross-validation on the source's training.
    """
    samples = task.load(data, options=task.default_options).samples

    def part(domain: str, split: str) -> tuple[Any, list[str | None]]:
        chosen = [sample for sample in samples if (sample.domain, sample.split) == (domain, split)]
        return np.log1p(np.concatenate([task.read(sample) for sample in chosen])), [one.label for one in chosen]

    found = {}
    for name, model in (("SVM", LinearSVC()), ("logistic", LogisticRegression(max_iter=2000))):
        fitted = GridSearchCV(model, {"C": STRENGTHS}, cv=3).fit(*part(source, "train"))
        found[name] = float(fitted.score(*part(target, "test")))
    return found


def adapt(
    app: Application, task: VectorTask, data: Path, pair: tuple[str, str], seed: int, epochs: int
) -> dict[str, float]:
    """Adapts from one domain to another by DANN; returns the accuracy on the target's test, by column."""
    source, target = pair
    phases = [{"epochs": epochs, "train": "all", "lr_head": 1e-3, "lr_backbone": 1e-3, "lr_decay": 1.0}]
    settings = {
        **task.settings(hidden=(HIDDEN,), standardised=False),
        "data.source": str(data),
        # copies of test reviews leave training, so that the test stays that of the paper
        "data.leaks": "keep_test",
        "seed": seed,
        "strategy.batch_size": 64,
        "strategy.class_weights": "none",
        "strategy.batch_norm": "train",
        "strategy.precision": "fp32",
        "strategy.phases": phases,
    }
    weights = {"dann": [0.3, 1.0]}
    found = app.adapt(source=source, target=target, settings=settings, loss_weights=weights, train_on_target=False)
    tests = {column: found["columns"][name]["domains"][target] for column, name in COLUMNS.items()}
    return {column: float(test["accuracy"]["value"]) for column, test in tests.items()}


def table(rows: dict[str, list[dict[str, float]]]) -> str:
    """Writes the accuracy of each pair, mean and standard deviation over seeds, and the mean of all pairs."""
    columns = list(next(iter(rows.values()))[0])
    lines = [f"| pair | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for pair, found in rows.items():
        values = np.array([[one[column] for column in columns] for one in found])
        cells = [f"{mean:.3f}" for mean in values.mean(axis=0)]
        if len(found) > 1:
            cells = [f"{cell} ({sd:.3f})" for cell, sd in zip(cells, values.std(axis=0, ddof=1), strict=True)]
        lines.append(f"| {pair} | {' | '.join(cells)} |")
    means = [np.mean([one[column] for found in rows.values() for one in found]) for column in columns]
    return "\n".join([*lines, f"| mean | {' | '.join(f'{mean:.3f}' for mean in means)} |"])


def main(arguments: list[str] | None = None) -> str:
    """Runs the example; returns the table that it prints."""
    parser = argparse.ArgumentParser(description="sentiment across domains, by DANN on word counts")
    parser.add_argument("data", type=Path, nargs="?", help="zip or folder of DOMAIN_train.svmlight; none: generated")
    parser.add_argument("--out", type=Path, default=Path("sentiment-example"), help="folder of runs and table")
    parser.add_argument("--pair", nargs="*", help="pairs, as in books-dvd; none: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    given = parser.parse_args(arguments)
    data = given.data or generate(given.out / "generated")
    task = sentiment_task(WORDS if given.data else GENERATED_WORDS)
    app = Application(task, root=given.out / "runs")
    domains = sorted({one.domain for one in task.load(data, options=task.default_options).samples})
    rows: dict[str, list[dict[str, float]]] = {}
    for pair, seed in product(permutations(domains, 2), range(given.seeds)):
        if given.pair and "-".join(pair) not in given.pair:
            continue
        found = adapt(app, task, data, pair, seed, given.epochs) | linear(task, data, *pair)
        rows.setdefault(" to ".join(pair), []).append(found)
        (given.out / "accuracy.json").write_text(json.dumps(rows, indent=1))
        print(pair, seed, found, flush=True)
    text = table(rows)
    (given.out / "table.md").write_text(text + "\n")
    print(text)
    return text


if __name__ == "__main__":
    main()
