"""Adapts classifiers of texts, given as word counts, through one hidden layer, as Ganin et al. 2016 did (section 5.1).

    python -m benchmarks.adaptation_words reviews.zip --pair books-dvd --seed 0 --out FOLDER
    python -m benchmarks.adaptation_words fnc1.zip --pair stances-forth --seed 0 --out FOLDER
    python -m benchmarks.adaptation_words --pair cues --seed 0 --out FOLDER
    python -m benchmarks.adaptation FOLDER

The first trains on 2,000 labelled reviews of books (a fifth of them is validation) and 2,000 unlabelled ones of films,
and tests on the other reviews of films. The second tells stances to a headline (reported, or agreed and disagreed with)
in news of other stories. The third is generated; its rules are known. The paper reports 0.784 and 0.723 for DANN from
books to films and back.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import zipfile
from collections import Counter
from collections.abc import Sequence
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.adaptation import Parts, Study, accuracy
from shared.data.split import Split
from shared.models.backbones.mlp import multilayer_perceptron
from shared.models.network import Network
from shared.samples import Grouping, Sample
from shared.seeding import derive_seed, generator
from shared.training.selection import LABEL_FREE

WORDS, HIDDEN, TRAINED, TESTED = 5000, 100, 2000, 2000
"""Counted words, width of the hidden layer, labelled texts, and most texts of a test (the paper takes all).

Source: Ganin et al., JMLR 17(59), 2016, section 5.1 (100 is the largest width that they tried).
"""
REVIEWS = {"books-dvd": ("books", "dvd"), "dvd-books": ("dvd", "books")}
STANCES = {"stances-forth": ("train", "test"), "stances-back": ("test", "train")}
GENERATED = ("same", "cues", "opposed", "skewed", "lengths", "faint")
METHODS = {"dann": [1.0], "cdan": [1.0], "coral": [10000.0], "coral-scores": [1.0]}
STANCE_WORDS = 2000
"""Words that are counted in the news, the most frequent ones: fewer than in the reviews, to save time."""
MAX_HEADLINES = 3
"""Most headlines of one article; more would be nearly the same text."""
Counts = NDArray[np.float32]


def parts_of(counts: Counts, labels: NDArray[np.int64], units: Sequence[int], domain: str, seed: int) -> Parts:
    """Divides a domain by unit: `TRAINED` texts are training and validation (a fifth), the others are the test.

    Of a small domain two thirds are training and validation.

    Args:
        counts: float32 [N, words]; the first texts are drawn from for training where `units` says so.
        labels: int64 [N], classes.
        units: The story, or other unit, of each text; -1: a text that is only tested.
        domain: Name of the domain.
        seed: Seed of the draw.
    """
    own = np.asarray(units)
    order = generator(seed, "texts", domain).permutation(np.unique(own[own >= 0]))
    rank = {unit: place for place, unit in enumerate(order.tolist())}
    places = np.array([rank.get(unit, len(rank)) for unit in own.tolist()])
    chosen = np.argsort(places, kind="stable")
    chosen = chosen[places[chosen] < len(rank)][: min(TRAINED, len(own) * 2 // 3)]
    cut = places[chosen[len(chosen) * 4 // 5]]
    tested = np.setdiff1d(np.arange(len(own)), chosen)
    tested = tested[(own[tested] < 0) | ~np.isin(own[tested], own[chosen])]
    tested = generator(seed, "tested", domain).permutation(tested)[:TESTED]
    index = {
        "train": chosen[places[chosen] < cut],
        "validation": chosen[places[chosen] >= cut],
        "test": tested,
    }
    return {name: _split(counts[rows], labels[rows], own[rows], domain) for name, rows in index.items()}


def _split(counts: Counts, labels: NDArray[np.int64], units: NDArray[np.int64], domain: str) -> Split:
    samples = [Sample(id=f"{domain}{i}", source="", label=str(label), domain=domain) for i, label in enumerate(labels)]
    return Split(samples, list(np.log1p(counts)), labels, Grouping.of(samples, units.tolist()))


@cache
def read_reviews(path: Path, domain: str) -> tuple[Counts, NDArray[np.int64], tuple[int, ...]]:
    """Reads the word counts, classes and units of a domain's reviews; those of its test have unit -1."""
    from sklearn.datasets import load_svmlight_file

    blocks, labels = [], []
    with zipfile.ZipFile(path) as archive:
        for part in ("train", "test"):
            rows, truth = load_svmlight_file(
                io.BytesIO(archive.read(f"{domain}_{part}.svmlight")), n_features=WORDS, zero_based=True
            )
            blocks.append(rows.toarray().astype(np.float32))
            labels.append((truth > 0).astype(np.int64))
    units = (*range(len(labels[0])), *([-1] * len(labels[1])))
    return np.concatenate(blocks), np.concatenate(labels), units


@cache
def read_stances(path: Path) -> dict[str, tuple[Counts, NDArray[np.int64], tuple[int, ...]]]:
    """Reads word counts of news on two sets of stories, and whether each discusses its headline or takes a side."""
    from sklearn.feature_extraction.text import CountVectorizer

    texts, labels, stories, sides = [], [], [], []
    csv.field_size_limit(sys.maxsize)
    with zipfile.ZipFile(path) as archive:
        for side in ("train", "test"):
            files = [
                csv.DictReader(io.StringIO(archive.read(f"{side}_{what}.csv").decode("utf-8")))
                for what in ("bodies", "stances")
            ]
            seen: Counter[str] = Counter()
            bodies = {row["Body ID"]: row["articleBody"] for row in files[0]}
            for row in files[1]:
                if row["Stance"] != "unrelated" and seen[row["Body ID"]] < MAX_HEADLINES:
                    seen[row["Body ID"]] += 1
                    texts.append(f"{row['Headline']} {bodies[row['Body ID']]}")
                    labels.append(int(row["Stance"] != "discuss"))
                    stories.append(int(row["Body ID"]))
                    sides.append(side)
    counts = CountVectorizer(max_features=STANCE_WORDS).fit_transform(texts)
    found = {}
    for side in ("train", "test"):
        rows = np.flatnonzero(np.array(sides) == side)
        truth, units = np.array(labels, dtype=np.int64)[rows], tuple(np.array(stories)[rows].tolist())
        found[side] = (counts[rows].toarray().astype(np.float32), truth, units)
    return found


def generated_parts(kind: str, seed: int, *, texts: int = 3000, words: int = 1000) -> tuple[Parts, Parts]:
    """Generates two domains of texts.

    40 words of either class occur in both domains, 40 in the source alone and 40 in the target alone; the rest says
    nothing. Where `kind` is "cues" that is all. "same": source and target are alike. "opposed": a quarter of the
    source's own words mean the other class in the target. "skewed": four fifths of the target are of class 1.
    "lengths": texts of the target are three times as long. "faint": the shared words are rarer.

    Args:
        kind: One of `GENERATED`.
        seed: Seed of the texts.
        texts: Texts of each domain.
        words: Words that are counted.
    """
    random = generator(seed, "generated", kind)
    common = 0.004 * random.pareto(1.5, words)
    shared, own = (0.05 if kind == "faint" else 0.08), 0.12
    found = []
    for place, domain in enumerate(("source", "target")):
        share = 0.8 if kind == "skewed" and place else 0.5
        labels = (random.random(texts) < share).astype(np.int64)
        rates = np.tile(np.minimum(common, 0.5), (texts, 1))
        side = 0 if kind == "same" else place
        for label in (0, 1):
            rows = np.ix_(labels == label, np.arange(40) + 40 * label)
            rates[rows] = shared
            start = 80 + 80 * side + 40 * label
            rates[np.ix_(labels == label, np.arange(start, start + 40))] = own
            if kind == "opposed" and place:
                start = 80 + 40 * (1 - label)
                rates[np.ix_(labels == label, np.arange(start, start + 10))] = own
        lengths = random.gamma(2.0, 0.5, (texts, 1)) * (3.0 if kind == "lengths" and place else 1.0)
        counts = random.poisson(rates * lengths).astype(np.float32)
        found.append(parts_of(counts, labels, range(texts), domain, seed))
    return found[0], found[1]


def word_network(words: int, seed: int) -> Network:
    """Builds a network of one hidden layer with random weights, for so many counted words."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "head"))
        backbone = multilayer_perceptron(words, (HIDDEN,), seed=seed)
        return Network(backbone, ["hidden1"], "avg_1x1", HIDDEN, 2)


def linear(source: Parts, target: Parts) -> float:
    """Measures logistic regression on the source's word counts, its L2 strength chosen on the source's validation."""
    from sklearn.linear_model import LogisticRegression

    def arrays(split: Split) -> tuple[Counts, NDArray[np.int64]]:
        return np.stack(list(split.images)), split.labels

    fitted = [
        LogisticRegression(C=strength, max_iter=2000).fit(*arrays(source["train"]))
        for strength in (1e-3, 1e-2, 1e-1, 1.0)
    ]
    best = max(fitted, key=lambda one: one.score(*arrays(source["validation"])))
    return float(best.score(*arrays(target["test"])))


def pair_parts(pair: str, data: Path | None, seed: int) -> tuple[Parts, Parts]:
    """Reads or generates source and target of a pair.

    Args:
        pair: One of `REVIEWS`, `STANCES` and `GENERATED`.
        data: The file of reviews or stances; generated texts need none.
        seed: Seed of the division, and of generated texts.
    """
    if pair in GENERATED:
        return generated_parts(pair, seed)
    assert data is not None  # its absence is a usage error below
    if pair in REVIEWS:
        source, target = (parts_of(*read_reviews(data, side), side, seed) for side in REVIEWS[pair])
    else:
        source, target = (parts_of(*read_stances(data)[side], side, seed) for side in STANCES[pair])
    return source, target


def main() -> None:
    """Reads the arguments, trains the studies and records them."""
    parser = argparse.ArgumentParser(description="texts as word counts, without labels of the target")
    parser.add_argument("data", type=Path, nargs="?", help="reviews.zip or fnc1.zip; none for generated texts")
    parser.add_argument("--pair", choices=(*REVIEWS, *STANCES, *GENERATED), nargs="+", required=True)
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--methods", nargs="+", choices=tuple(METHODS), default=list(METHODS))
    parser.add_argument("--rule", choices=tuple(LABEL_FREE), default="mutual_information", help="chooses the epoch")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.data is None and not set(args.pair) <= set(GENERATED):
        parser.error("give the file of the reviews or stances")
    for seed, pair in product(args.seed, args.pair):
        source, target = pair_parts(pair, args.data, seed)
        print(pair, seed, {part: [len(one[part].samples) for one in (source, target)] for part in source})
        phases = [{"epochs": args.epochs, "train": "all", "lr_head": 1e-3, "lr_backbone": 1e-3, "lr_decay": 1.0}]
        training = {"phases": phases, "batch_norm": "train", "precision": "fp32", "selection": args.rule}
        words, folder = len(source["train"].images[0]), args.out / pair / f"seed{seed}"
        network = partial(word_network, words, seed)
        settings: dict[str, tuple[str, dict[str, Any]]] = {}
        for method in args.methods:
            layer = {"layer": "scores"} if method == "coral-scores" else {}
            for weight in METHODS[method]:
                settings[f"{method} {weight:g}"] = (method.split("-")[0], {"weight": weight, **layer})
        Study(source, target, 2, network, accuracy, seed, folder, training).train_all(settings)
        print(f"{pair}, seed {seed}: logistic regression {linear(source, target):.4f}", flush=True)


if __name__ == "__main__":
    main()
