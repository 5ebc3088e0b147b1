"""Descriptors learnt across domains, as for re-identification: a triplet loss, with DANN on the descriptor.

python examples/descriptors/descriptors.py dhcd.zip nhcd.zip

A picture is found again by what it shows, though neither its class nor its writer was in training. Source: Ganin et
al., JMLR 17(59), 2016, section 5.3, whose classes are persons.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name
from torch.optim.swa_utils import update_bn

from shared import network, reversed_gradient

CLASSES_A_BATCH, PICTURES_A_CLASS = 16, 4
SIDE, WIDTH, HIDDEN, DRAWS = 28, 64, 100, 20
"""Side of the pictures, length of a descriptor, width of the hidden layer of the domain classifier, and draws of one
gallery picture for each class, over which the matching curve is averaged."""


class Pictures(NamedTuple):
    """Pictures float32 [n, 1, SIDE, SIDE], 0 to 1, light on dark; the class and the writer of each, int64 [n]."""

    images: Tensor
    classes: np.ndarray
    writers: np.ndarray

    def where(self, chosen: np.ndarray) -> Pictures:
        """Returns the chosen pictures, bool [n]."""
        return Pictures(*(part[chosen] for part in self))


class Division(NamedTuple):
    """What training sees (source with labels, target without), and what it never sees: queries and their gallery."""

    source: Pictures
    target: Pictures
    queries: Pictures
    gallery: Pictures


def read(path: Path, most: int) -> Pictures:
    """Reads the characters that DHCD and NHCD share from a zip of either: at most so many of a class, drawn."""
    from handwriting.labels import CHARACTERS
    from handwriting.task import TASK
    from shared.task import Preprocessing

    samples = [one for one in TASK.load(path, options=TASK.default_options).samples if one.split != "test"]
    drawn = [samples[place] for place in np.random.default_rng(0).permutation(len(samples))]
    names = [name for name, character in CHARACTERS.items() if character.kind != "vowel"]
    kept = [one for name in names for one in [one for one in drawn if one.label == name][:most]]
    images = [TASK.preprocess(TASK.read(one), Preprocessing(SIDE, 1, TASK.default_options)) for one in kept]
    order = list(dict.fromkeys(one.group for one in kept))  # not by name: pseudonyms differ from machine to machine
    classes, writers = zip(*((names.index(str(one.label)), order.index(one.group)) for one in kept), strict=True)
    return Pictures(torch.from_numpy(np.stack(images)), np.array(classes), np.array(writers))


def generate() -> tuple[Pictures, Pictures]:
    """Makes two domains of scikit-learn's digits: as they are, and thick on grey; the 12 writers are made up."""
    digits = load_digits()
    images = torch.from_numpy(np.float32(digits.images[:, None] / 16))
    wide = F.interpolate(images, size=(SIDE, SIDE), mode="bilinear")
    first, writers = np.arange(len(wide)) % 2 == 0, np.arange(len(wide)) // 2 % 12
    chalk, pen = (Pictures(made, digits.target, writers) for made in (wide, 0.4 + 0.6 * wide.sqrt()))
    return chalk.where(first), pen.where(~first)


def divide(source: Pictures, target: Pictures, seed: int) -> Division:
    """Divides classes and the target's writers in halves: training has the first, queries and gallery the others.

    Of the writers that training does not see, one half wrote the queries and the other the gallery.
    """
    random = np.random.default_rng(seed)
    classes, writers = (random.permutation(np.unique(part)) for part in (source.classes, target.writers))
    seen, (own, others) = classes[: len(classes) // 2], np.split(writers, [len(writers) // 2])
    asked = others[: len(others) // 2]
    unseen = ~np.isin(target.classes, seen) & ~np.isin(target.writers, own)
    return Division(
        source.where(np.isin(source.classes, seen)),
        target.where(np.isin(target.classes, seen) & np.isin(target.writers, own)),
        target.where(unseen & np.isin(target.writers, asked)),
        target.where(unseen & ~np.isin(target.writers, asked)),
    )


def triplet_loss(descriptors: Tensor, classes: Tensor) -> Tensor:
    """Computes the triplet loss of the hardest positive and negative of each picture, with a soft margin.

    Source: Hermans, Beyer & Leibe, arXiv 1703.07737, equation 5 and section 2.
    """
    alike = 10 * descriptors @ descriptors.T  # cosines of 0.1 make a difference
    same = classes[:, None] == classes[None, :]
    nearest_other = alike.masked_fill(same, -torch.inf).amax(dim=1)
    farthest_own = alike.masked_fill(~same, torch.inf).amin(dim=1)
    return F.softplus(nearest_other - farthest_own).mean()


def train(labelled: Pictures, target: Pictures | None, weight: float, seed: int, steps: int) -> nn.Module:
    """Trains a descriptor on labelled pictures; with a target, DANN of a weight makes the domains alike in it."""
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    net = network("lenet", 2, channels=1, input_size=SIDE, seed=seed)
    net.head = nn.Linear(net.head.in_features, WIDTH)  # descriptors in place of classes
    domain = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
    # the domain classifier learns three times as fast, as in the strategy `dann`
    optimiser = torch.optim.Adam([{"params": net.parameters()}, {"params": domain.parameters(), "lr": 3e-3}], lr=1e-3)
    places = [np.flatnonzero(labelled.classes == name) for name in np.unique(labelled.classes)]
    for step in range(steps):
        chosen = random.permutation(len(places))[:CLASSES_A_BATCH]
        rows = np.concatenate([random.choice(places[name], PICTURES_A_CLASS) for name in chosen])
        descriptors = F.normalize(net(labelled.images[rows]))
        loss = triplet_loss(descriptors, torch.from_numpy(labelled.classes[rows]))
        if target is not None:
            others = F.normalize(net(target.images[random.choice(len(target.images), len(rows))]))
            lambda_ = weight * (2 / (1 + np.exp(-10 * step / steps)) - 1)
            told = domain(reversed_gradient(WIDTH**0.5 * torch.cat([descriptors, others]), lambda_))[:, 0]
            loss = loss + F.binary_cross_entropy_with_logits(told, (torch.arange(len(told)) >= len(rows)).float())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net.eval()


@torch.no_grad()
def found(describe: nn.Module, division: Division) -> np.ndarray:
    """Measures for each query whether its class is at rank 1, up to rank 5, and its mAP, float [queries, 3]."""
    queries, gallery = division.queries, division.gallery
    first, other = (F.normalize(describe(one.images)) for one in (queries, gallery))
    alike, right = (first @ other.T).numpy(), queries.classes[:, None] == gallery.classes
    ordered = np.take_along_axis(right, np.argsort(-alike, axis=1), axis=1)
    precision = np.cumsum(ordered, axis=1) / np.arange(1, ordered.shape[1] + 1)
    random, places = np.random.default_rng(0), [gallery.classes == name for name in np.unique(gallery.classes)]
    drawn = np.array([[random.choice(np.flatnonzero(own)) for own in places] for _ in range(DRAWS)])
    ranks = (alike[:, drawn] > (alike * right)[:, drawn].sum(axis=2, keepdims=True)).sum(axis=2)
    within = [(ranks < best).mean(axis=1) for best in (1, 5)]
    return np.stack([*within, (precision * ordered).sum(axis=1) / ordered.sum(axis=1)], axis=1)


def study(division: Division, seed: int, steps: int) -> dict[str, np.ndarray]:
    """Trains each way of describing on one division and measures it, by the name of the way."""
    source, target = division.source, division.target
    net, unlabelled = train(source, None, 0, seed, steps), target.images.split(64)
    made = {"pixels": found(nn.Flatten(), division), "source only": found(net, division)}
    update_bn(unlabelled, net)  # BatchNorm's means and variances of the target
    made["source, statistics of the target"] = found(net, division)
    for weight in (0.1, 1.0):
        net = train(source, target, weight, seed, steps)
        update_bn(unlabelled, net)
        made[f"DANN {weight:g}"] = found(net, division)
    return made | {"on the target": found(train(target, None, 0, seed, steps), division)}


def interval(values: np.ndarray, writers: np.ndarray) -> str:
    """Writes the mean of values and its 95% interval, by a bootstrap over the writers of the queries."""
    names, place = np.unique(writers, return_inverse=True)
    sums, counts = np.bincount(place, values), np.bincount(place)
    drawn = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), size=1000)
    low, high = np.quantile((drawn @ sums) / (drawn @ counts), (0.025, 0.975))
    return f"{values.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def main(arguments: list[str] | None = None) -> str:
    """Runs the example; returns the tables that it prints."""
    parser = argparse.ArgumentParser(description="descriptors across domains: triplet loss and DANN")
    parser.add_argument("data", type=Path, nargs="*", help="zips of DHCD and NHCD; none: digits of scikit-learn")
    parser.add_argument("--out", type=Path, default=Path("descriptors-example"), help="folder of the results")
    for name, default in (("--seeds", 3), ("--steps", 400), ("--pictures", 100)):
        parser.add_argument(name, type=int, default=default)
    given = parser.parse_args(arguments)
    if len(given.data) not in (0, 2):
        parser.error(f"{len(given.data)} files were given; allowed are two, DHCD and NHCD, or none")
    source, target = (read(path, given.pictures) for path in given.data) if given.data else generate()
    divisions = [divide(source, target, seed) for seed in range(given.seeds)]
    made = [study(division, seed, given.steps) for seed, division in enumerate(divisions)]
    lines = ["| | rank 1 | rank 5 | mAP | mAP less that of source only, by seed |", "|---" * 5 + "|"]
    for way in made[0]:
        means = np.array([one[way].mean(axis=0) for one in made])
        spread = means.std(axis=0, ddof=int(len(means) > 1))
        cells = [f"{mean:.3f} ({sd:.3f})" for mean, sd in zip(means.mean(axis=0), spread, strict=True)]
        gained = [one[way][:, 2] - one["source only"][:, 2] for one in made]
        cells.append("; ".join(interval(one, by.queries.writers) for one, by in zip(gained, divisions, strict=True)))
        lines.append(f"| {way} | {' | '.join(cells)} |")
    text = "\n".join(lines)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "table.md").write_text(text + "\n")
    print(text)
    return text


if __name__ == "__main__":
    main()
