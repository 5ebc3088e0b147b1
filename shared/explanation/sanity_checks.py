"""Sanity checks of an attribution map: it must depend on the weights, and the score must depend on its pixels.

A map can fail either check:

- Randomisation (Adebayo et al., arXiv 1810.03292): the map of a network with random weights, from the head downwards,
  must look different. A map that stays the same shows the image and the architecture, like an edge filter.
- Deletion and insertion (Petsiuk et al., arXiv 1806.07421): painting over the cells with the highest attribution first,
  in the image's mean, must lower the score faster than random maps do; uncovering them first must raise it faster. The
  random maps are the map itself, moved and turned: any smooth map would beat scattered cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from shared.explanation.attribution import attribute
from shared.models.network import Network
from shared.models.restore import build_network
from shared.runs.record import ModelRecord
from shared.seeding import derive_seed, generator

GRID, STEPS = 16, 16
"""Cells along a side, and steps of deletion and insertion, 16 cells each. Single pixels would not be a fair unit:
random ones erase texture everywhere at once."""
ORDERS = 19
"""Number of random maps: beating all of them happens by chance once in twenty."""
MAX_SIMILARITY = 0.5
"""Rank correlation with the map of a random network above which a map does not show what was learnt. Source of the
measure: Adebayo et al., section 3; the bound is ours, see docs/lab-log.md, "Which maps pass the checks?"."""
DRAWS, TRIES = 3, 10
"""Fully random networks over which the correlation is averaged, and most that are tried: the maps of some are empty."""
MIN_CHANGE = 0.01
"""Change of the probability over all steps that deletion and insertion need to be conclusive."""
BLUR = 0.08
"""Standard deviation of the blur that insertion starts from, as a fraction of the side: no shape is left."""
BLACK = 0.02
"""Mean pixel of a cell below which it is background, and not ranked."""
MIN_CELLS = 16
"""Cells that are not background that a ranking needs; with fewer, all cells count."""
BATCH = 16
"""Images that go through the network at once; see `shared.features.cache.BATCH`."""

Cells = NDArray[np.float64]
Kept = Callable[[int], int]
"""Tells of a number of stages how many keep their weights."""


@dataclass(frozen=True)
class Verdict:
    """The results of the checks of one map.

    Attributes:
        similarity: Absolute rank correlation, 0 to 1, of the absolute map with those of networks with a random head,
            with the later half of the stages random too, and with everything random; -1 where no random network gave a
            map.
        deletion: Area under the score while cells are painted over, 0 to 1; lower is better.
        insertion: Area under the score while cells are uncovered from a blur, 0 to 1; higher is better.
        random_deletion: Mean of `deletion` over random maps.
        random_insertion: Mean of `insertion` over random maps.
        beaten: Number of the `ORDERS` random maps whose insertion less deletion is smaller than that of the map.
        curves: The score at each step, by name: "deletion", "insertion", "random deletion", "random insertion" (means).
        faults: Reasons why the map fails, one line each; empty where it passes.
    """

    similarity: tuple[float, ...]
    deletion: float
    insertion: float
    random_deletion: float
    random_insertion: float
    beaten: int
    curves: dict[str, tuple[float, ...]]
    faults: tuple[str, ...]

    @property
    def believable(self) -> bool:
        """Whether the map passed every check."""
        return not self.faults


@dataclass(frozen=True)
class Explained:
    """An explained image and its method, so that random networks can be explained in the same way.

    Attributes:
        network: The network, on `device` and in evaluation mode.
        record: Model record of its run.
        image: float32 [channels, size, size], 0 to 1.
        target: Number of the class whose score was explained.
        method: A name in `shared.explanation.attribution.METHODS`.
        device: Device to compute on.
    """

    network: Network
    record: ModelRecord
    image: NDArray[np.float32]
    target: int
    method: str
    device: torch.device

    def attribution(self, network: Network) -> NDArray[np.float32]:
        """Computes the attribution map of the image by a network, for the same class and method.

        Args:
            network: The network to explain, with the inputs and classes of `self.network`; it is moved to `device`.

        Returns:
            float32 [size, size], signed.
        """
        return attribute(network, self.image[None], np.array([self.target]), self.device, self.method)[0]


def check_map(explained: Explained, attribution: NDArray[np.float32]) -> Verdict:
    """Checks one attribution map by randomisation, deletion and insertion.

    Args:
        explained: The image, its network and the method.
        attribution: float32 [size, size], signed, the map of that image.

    Returns:
        The results of all checks, with the reasons why the map fails. A map of zeros fails.
    """
    similarity = _similarity(explained, attribution)
    image = explained.image
    own = cells(attribution)
    orders = [_order(grid.ravel()) for grid in (own, *_moved(own))]
    deleted = _curves(explained, orders, np.full_like(image, image.mean()), insert=False)
    inserted = _curves(explained, orders, _blurred(image), insert=True)
    deletion, insertion = deleted.mean(axis=1), inserted.mean(axis=1)
    gain = insertion - deletion
    beaten = int((gain[1:] < gain[0]).sum())
    return Verdict(
        similarity=tuple(similarity),
        deletion=float(deletion[0]),
        insertion=float(insertion[0]),
        random_deletion=float(deletion[1:].mean()),
        random_insertion=float(insertion[1:].mean()),
        beaten=beaten,
        curves={
            "deletion": tuple(deleted[0].tolist()),
            "insertion": tuple(inserted[0].tolist()),
            "random deletion": tuple(deleted[1:].mean(axis=0).tolist()),
            "random insertion": tuple(inserted[1:].mean(axis=0).tolist()),
        },
        faults=tuple(_faults(attribution, similarity[-1], beaten, float(np.ptp([deleted, inserted])))),
    )


def cascade(explained: Explained, attribution: NDArray[np.float32]) -> tuple[tuple[str, float], ...]:
    """Compares a map with those of networks whose weights are made random stage by stage, from the head to the input.

    Args:
        explained: The image, its network and the method.
        attribution: float32 [size, size], signed, the map of that image.

    Returns:
        The name of the earliest stage that is random, "head" first, and the absolute rank correlation, 0 to 1, of the
        absolute map with that of such a network; -1 where none of `TRIES` such networks gave a map. Of an ensemble the
        names of the stages of its members at that depth, joined.

    Source: Adebayo et al., arXiv 1810.03292, section 3.1, cascading randomisation.
    """
    own = cells(np.abs(attribution))
    stages = [list(trunk.backbone.stages) for trunk in explained.network.trunks]
    found = [("head", _correlation(explained, own, lambda count: count, 1))]
    for depth in range(1, max(len(names) for names in stages) + 1):
        named = dict.fromkeys(names[-depth] for names in stages if depth <= len(names))
        found.append((" and ".join(named), _correlation(explained, own, partial(_without_last, depth), 1)))
    return tuple(found)


def _without_last(depth: int, count: int) -> int:
    return max(count - depth, 0)


def cells(pixels: NDArray[np.floating]) -> Cells:
    """Computes the means of an image over the cells of a grid.

    Args:
        pixels: Floats [size, size]; `size` is at least `GRID`, as for every backbone.

    Returns:
        float64 [GRID, GRID], mean of each cell.
    """
    owner = _owners(pixels.shape[0]).ravel()
    sums = np.bincount(owner, weights=pixels.ravel(), minlength=GRID * GRID)
    return (sums / np.bincount(owner, minlength=GRID * GRID)).reshape(GRID, GRID)


def _owners(size: int) -> NDArray[np.int64]:
    """The number of the cell that each pixel belongs to, int64 [size, size]."""
    along = np.arange(size) * GRID // size
    return along[:, None] * GRID + along[None, :]


def rank_correlation(first: Cells, second: Cells, image: NDArray[np.float32]) -> float:
    """Computes Spearman's rank correlation of two grids over the cells where the image is not black.

    Args:
        first: float64 [GRID, GRID].
        second: float64 [GRID, GRID].
        image: float32 [channels, size, size], 0 to 1.

    Returns:
        The correlation, -1 to 1; 0 where one grid is constant. All cells count where fewer than `MIN_CELLS` are not
        black.
    """
    seen = cells(image.mean(axis=0)) > BLACK
    if seen.sum() < MIN_CELLS:
        seen = np.ones_like(seen)
    ranks = [rankdata(grid[seen]) for grid in (first, second)]
    if any(np.ptp(row) == 0 for row in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def _faults(attribution: NDArray[np.float32], similarity: float, beaten: int, change: float) -> list[str]:
    if not np.abs(attribution).max() > 0:
        return ["the method attributes nothing to any pixel"]
    faults = []
    if similarity < 0:
        faults.append(f"none of {TRIES} networks with random weights gave a map to compare with")
    if similarity > MAX_SIMILARITY:
        faults.append(
            f"a network with random weights gives a map like it (rank correlation {similarity:.2f}, "
            f"at most {MAX_SIMILARITY})"
        )
    if change < MIN_CHANGE:
        faults.append(f"the score moves by less than {MIN_CHANGE}: deletion and insertion are not conclusive")
    elif beaten < ORDERS:
        faults.append(f"deletion and insertion beat only {beaten} of {ORDERS} random maps")
    return faults


def _similarity(explained: Explained, attribution: NDArray[np.float32]) -> list[float]:
    """The correlation at each depth of randomisation, from the head alone to everything."""
    own = cells(np.abs(attribution))
    depths: tuple[tuple[Kept, int], ...] = ((lambda n: n, 1), (lambda n: n // 2, 1), (lambda _: 0, DRAWS))
    return [_correlation(explained, own, kept, draws) for kept, draws in depths]


def _correlation(explained: Explained, own: Cells, kept: Kept, draws: int) -> float:
    """The mean absolute correlation with maps of so many random networks; -1 where none of `TRIES` gave a map."""
    found: list[float] = []
    for draw in range(TRIES):
        random = _randomised(explained.network, explained.record, kept, draw)
        other = cells(np.abs(explained.attribution(random)))
        if np.ptp(other) > 0:
            found.append(abs(rank_correlation(own, other, explained.image)))
        if len(found) == draws:
            break
    return float(np.mean(found)) if found else -1.0


def _randomised(network: Network, record: ModelRecord, kept: Kept, draw: int) -> Network:
    """The network with a random head and random weights in the later stages of each trunk, buffers included.

    Args:
        network: The network.
        record: Its model record.
        kept: How many of the stages of a trunk keep their weights, those next to the image.
        draw: Number of the draw.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(draw, "random head"))
        random = build_network(record, network.head.in_features, seed=derive_seed(draw, "random network"))
    for trunk, other in zip(network.trunks, random.trunks, strict=True):
        stages = trunk.backbone.stages
        for name in list(stages)[: kept(len(stages))]:
            other.backbone.stages[name].load_state_dict(stages[name].state_dict())
    return random


def _order(values: Cells) -> NDArray[np.int64]:
    return np.argsort(-values, kind="stable")


def _moved(grid: Cells) -> list[Cells]:
    """Random maps as smooth as a map: the map itself, shifted around the edges, turned and mirrored at random."""
    found = []
    for draw in range(ORDERS):
        random = generator(draw, "moved map")
        turned = np.rot90(grid.T if random.random() < 0.5 else grid, int(random.integers(4)))
        found.append(np.roll(turned, random.integers(1, GRID, size=2), axis=(0, 1)))
    return found


def _blurred(image: NDArray[np.float32]) -> NDArray[np.float32]:
    sigma = BLUR * image.shape[-1]
    return gaussian_filter(image, sigma=(0, sigma, sigma))


@torch.inference_mode()
def _curves(
    explained: Explained, orders: Sequence[NDArray[np.int64]], ground: NDArray[np.float32], *, insert: bool
) -> Cells:
    """The probability of the class, float64 [orders, STEPS + 1], while cells change from image to ground or back."""
    network, image = explained.network, explained.image
    owners = _owners(image.shape[-1])
    turned = [np.argsort(order)[owners] for order in orders]
    bounds = np.linspace(0, GRID * GRID, STEPS + 1)
    covered = [(ranks < bound) != insert for ranks in turned for bound in bounds]
    rows = []
    for start in range(0, len(covered), BATCH):
        batch = np.stack([np.where(one, ground, image) for one in covered[start : start + BATCH]])
        scores = network(torch.from_numpy(batch.astype(np.float32)).to(explained.device)) / network.temperature
        rows.append(torch.softmax(scores.float(), dim=1)[:, explained.target].cpu().numpy())
    return np.concatenate(rows).reshape(len(orders), STEPS + 1).astype(np.float64)
