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
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from shared import backbone, reversed_gradient

SIDE, WIDTH, HIDDEN = 28, 64, 100
"""Side of the pictures, length of a descriptor, width of the hidden layer of the domain classifier."""
CLASSES_A_BATCH, PICTURES_A_CLASS = 16, 4
DRAWS = 20
"""Draws of one gallery picture for each class, over which the matching curve is averaged."""
WAYS = ("pixels", "source only", "source, statistics of the target", "DANN 0.1", "DANN 1", "on the target")
MEASURES = ("rank 1", "rank 5", "mAP")
Array = NDArray[np.float32]
Numbers = NDArray[np.int64]


class Pictures(NamedTuple):
    """Pictures float32 [n, 1, SIDE, SIDE], 0 to 1, light on dark; the class and the writer of each, int64 [n]."""

    images: Array
    classes: Numbers
    writers: Numbers

    def where(self, chosen: NDArray[np.bool_]) -> Pictures:
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
    spec = Preprocessing(SIDE, 1, TASK.default_options)
    images = np.stack([TASK.preprocess(TASK.read(one), spec) for one in kept])
    writers = np.unique([str(one.group) for one in kept], return_inverse=True)[1]
    return Pictures(images, np.array([names.index(str(one.label)) for one in kept]), writers)


def generate() -> tuple[Pictures, Pictures]:
    """Makes two domains of scikit-learn's digits: as they are, and thick on grey; the 12 writers are made up."""
    digits = load_digits()
    images = torch.from_numpy(np.float32(digits.images[:, None] / 16))
    wide = F.interpolate(images, size=(SIDE, SIDE), mode="bilinear").numpy()
    thick = 0.4 + 0.6 * np.sqrt(wide)
    first, writers = np.arange(len(wide)) % 2 == 0, np.arange(len(wide)) // 2 % 12
    chalk, pen = (Pictures(made, digits.target, writers) for made in (wide, thick.astype(np.float32)))
    return chalk.where(first), pen.where(~first)


def divide(source: Pictures, target: Pictures, seed: int) -> Division:
    """Divides classes and the target's writers in halves: training has the first, queries and gallery the others.

    Of the writers that training does not see, one half wrote the queries and the other the gallery.
    """
    random = np.random.default_rng(seed)
    classes, writers = (random.permutation(np.unique(part)) for part in (source.classes, target.writers))
    seen, own = classes[: len(classes) // 2], writers[: len(writers) // 2]
    others = writers[len(own) :]
    asked = others[: len(others) // 2]
    unseen = ~np.isin(target.classes, seen) & ~np.isin(target.writers, own)
    return Division(
        source.where(np.isin(source.classes, seen)),
        target.where(np.isin(target.classes, seen) & np.isin(target.writers, own)),
        target.where(unseen & np.isin(target.writers, asked)),
        target.where(unseen & ~np.isin(target.writers, asked)),
    )


class Descriptor(nn.Module):
    """Describes pictures by vectors of length 1, [n, WIDTH]: a small network and a linear layer."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.backbone = backbone("lenet", seed=seed)
        self.linear = nn.LazyLinear(WIDTH)

    def forward(self, images: Tensor) -> Tensor:
        """Describes images float32 [n, 1, SIDE, SIDE]."""
        (features,) = self.backbone(images).values()
        return F.normalize(self.linear(features.flatten(1)), dim=1)


def triplet_loss(descriptors: Tensor, classes: Tensor) -> Tensor:
    """Computes the triplet loss of the hardest positive and negative of each picture, with a soft margin.

    Source: Hermans, Beyer & Leibe, arXiv 1703.07737, equation 5 and section 2.
    """
    alike = 10 * descriptors @ descriptors.T  # cosines of 0.1 make a difference
    same = classes[:, None] == classes[None, :]
    nearest_other = alike.masked_fill(same, -torch.inf).amax(dim=1)
    farthest_own = alike.masked_fill(~same, torch.inf).amin(dim=1)
    return F.softplus(nearest_other - farthest_own).mean()


def train(labelled: Pictures, target: Pictures | None, weight: float, seed: int, steps: int) -> Descriptor:
    """Trains a descriptor on labelled pictures; with a target, DANN of a weight makes the domains alike in it."""
    net, random = Descriptor(seed), np.random.default_rng(seed)
    net(torch.zeros(2, 1, SIDE, SIDE))  # makes the lazy layer
    domain = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
    # the domain classifier learns three times as fast, as in the strategy `dann`
    groups = [{"params": net.parameters()}, {"params": domain.parameters(), "lr": 3e-3}]
    optimiser = torch.optim.Adam(groups, lr=1e-3)
    places = [np.flatnonzero(labelled.classes == name) for name in np.unique(labelled.classes)]
    for step in range(steps):
        chosen = random.permutation(len(places))[:CLASSES_A_BATCH]
        rows = np.concatenate([random.choice(places[name], PICTURES_A_CLASS) for name in chosen])
        descriptors = net(torch.from_numpy(labelled.images[rows]))
        loss = triplet_loss(descriptors, torch.from_numpy(labelled.classes[rows]))
        if target is not None:
            others = net(torch.from_numpy(target.images[random.choice(len(target.images), len(rows))]))
            lambda_ = weight * (2 / (1 + np.exp(-10 * step / steps)) - 1)
            told = domain(reversed_gradient(WIDTH**0.5 * torch.cat([descriptors, others]), lambda_))[:, 0]
            truth = torch.cat([torch.zeros(len(rows)), torch.ones(len(rows))])
            loss = loss + F.binary_cross_entropy_with_logits(told, truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net.eval()


@torch.no_grad()
def with_statistics_of(net: Descriptor, pictures: Pictures) -> Descriptor:
    """Replaces the BatchNorm statistics of a descriptor by those of unlabelled pictures; returns it."""
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # the mean over all batches
    net.train()
    for block in torch.from_numpy(pictures.images).split(64):
        net(block)
    return net.eval()


@torch.no_grad()
def found(net: Descriptor | None, division: Division) -> Array:
    """Measures for each query how well its class is found, float32 [queries, MEASURES]; without a network by pixels."""
    asked, kept = (torch.from_numpy(one.images) for one in (division.queries, division.gallery))
    first, other = (one.flatten(1) if net is None else net(one) for one in (asked, kept))
    alike = (F.normalize(first) @ F.normalize(other).T).numpy()
    right = division.queries.classes[:, None] == division.gallery.classes[None, :]
    ordered = np.take_along_axis(right, np.argsort(-alike, axis=1), axis=1)
    precision = np.cumsum(ordered, axis=1) / np.arange(1, ordered.shape[1] + 1)
    places = [np.flatnonzero(division.gallery.classes == name) for name in np.unique(division.gallery.classes)]
    ranks, random = [], np.random.default_rng(0)
    for _ in range(DRAWS):
        one = [random.choice(own) for own in places]
        ranks.append((alike[:, one] > (alike[:, one] * right[:, one]).sum(axis=1, keepdims=True)).sum(axis=1))
    within = [(np.array(ranks) < best).mean(axis=0) for best in (1, 5)]
    return np.stack([*within, (precision * ordered).sum(axis=1) / ordered.sum(axis=1)], axis=1).astype(np.float32)


def study(division: Division, seed: int, steps: int) -> dict[str, Array]:
    """Trains and measures each of `WAYS` on one division."""
    source, target = division.source, division.target
    made = {"pixels": found(None, division)}
    net = train(source, None, 0, seed, steps)
    made["source only"] = found(net, division)
    made["source, statistics of the target"] = found(with_statistics_of(net, target), division)
    for weight in (0.1, 1.0):
        adapted = with_statistics_of(train(source, target, weight, seed, steps), target)
        made[f"DANN {weight:g}"] = found(adapted, division)
    made["on the target"] = found(train(target, None, 0, seed, steps), division)
    return made


def interval(values: Array, writers: Numbers) -> str:
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
    lines = [f"| | {' | '.join(MEASURES)} | mAP less that of source only, by seed |", "|---" * 5 + "|"]
    divisions = [divide(source, target, seed) for seed in range(given.seeds)]
    made = [study(division, seed, given.steps) for seed, division in enumerate(divisions)]
    for way in WAYS:
        means = np.array([one[way].mean(axis=0) for one in made])
        spread = means.std(axis=0, ddof=int(len(means) > 1))
        cells = [f"{mean:.3f} ({sd:.3f})" for mean, sd in zip(means.mean(axis=0), spread, strict=True)]
        gains = [
            interval(one[way][:, 2] - one["source only"][:, 2], division.queries.writers)
            for one, division in zip(made, divisions, strict=True)
        ]
        lines.append(f"| {way} | {' | '.join(cells)} | {'; '.join(gains)} |")
    text = "\n".join(lines)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "table.md").write_text(text + "\n")
    print(text)
    return text


if __name__ == "__main__":
    main()
