"""The checks of attributions must let honest maps pass and stop those that show the image or nothing."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from shared.explanation.attribution import attribute
from shared.explanation.sanity_checks import (
    GRID,
    ORDERS,
    STEPS,
    Explained,
    cascade,
    cells,
    check_map,
    rank_correlation,
)
from shared.models.network import Network
from shared.models.restore import build_network
from shared.runs.record import ModelRecord

CPU = torch.device("cpu")
SIZE = 32


def _scene(seed: int, *, yes: bool, place: tuple[int, int] | None = None) -> np.ndarray:
    """Bright spots that mean nothing, and a dark square where the answer is yes."""
    random = np.random.default_rng(seed)
    image = random.uniform(0.4, 0.6, (1, SIZE, SIZE)).astype(np.float32)
    for row, column in random.integers(0, SIZE - 3, (20, 2)):
        image[:, row : row + 3, column : column + 3] = 1.0
    if yes:
        row, column = place or random.integers(0, SIZE - 8, 2)
        image[:, row : row + 8, column : column + 8] = 0.05
    return image


@pytest.fixture(scope="module")
def trained(model_record: ModelRecord) -> Network:
    """A network that learnt to look for the dark square."""
    network = build_network(model_record, 64)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for step in range(60):
        scenes = [_scene(100 * step + i, yes=i < 16) for i in range(32)]
        images = torch.from_numpy(np.stack(scenes))
        loss = torch.nn.functional.cross_entropy(network(images), torch.tensor([1] * 16 + [0] * 16))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


def test_a_map_of_what_decides_passes(trained: Network, model_record: ModelRecord) -> None:
    image = _scene(7, yes=True, place=(16, 18))
    found = attribute(trained, image[None], np.array([1]), CPU, "grad-cam")[0]
    verdict = check_map(Explained(trained, model_record, image, 1, "grad-cam", CPU), found)
    assert verdict.believable, verdict.faults
    assert verdict.beaten == ORDERS
    assert verdict.deletion < verdict.random_deletion
    assert verdict.insertion > verdict.random_insertion
    assert {len(curve) for curve in verdict.curves.values()} == {STEPS + 1}
    assert verdict.curves["deletion"][0] == pytest.approx(verdict.curves["insertion"][-1], abs=1e-5)


def test_a_map_of_somewhere_else_does_not_pass(trained: Network, model_record: ModelRecord) -> None:
    image = _scene(7, yes=True, place=(16, 18))
    found = attribute(trained, image[None], np.array([1]), CPU, "grad-cam")[0]
    verdict = check_map(Explained(trained, model_record, image, 1, "grad-cam", CPU), -found)
    assert not verdict.believable
    assert any("of 19 random maps" in fault for fault in verdict.faults)


def test_a_map_that_does_not_depend_on_the_weights_does_not_pass(
    trained: Network, model_record: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = _scene(7, yes=True, place=(16, 18))
    monkeypatch.setattr("shared.explanation.sanity_checks.attribute", lambda network, images, *_: images[:, 0])
    verdict = check_map(Explained(trained, model_record, image, 1, "the image itself", CPU), image[0])
    assert verdict.similarity == pytest.approx((1.0, 1.0, 1.0))
    assert "a network with random weights gives a map like it (rank correlation 1.00, at most 0.5)" in verdict.faults


def test_a_cascade_goes_from_the_head_to_the_input_and_ends_where_the_check_ends(
    trained: Network, model_record: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = _scene(7, yes=True, place=(16, 18))
    explained = Explained(trained, model_record, image, 1, "grad-cam", CPU)
    found = explained.attribution(trained)
    steps = cascade(explained, found)
    assert [name for name, _ in steps] == ["head", "block2", "block1"]
    head, half, _ = check_map(explained, found).similarity
    assert [value for _, value in steps[:2]] == [head, half]
    monkeypatch.setattr("shared.explanation.sanity_checks.attribute", lambda network, images, *_: images[:, 0])
    assert [value for _, value in cascade(explained, image[0])] == pytest.approx([1.0, 1.0, 1.0])


def test_an_empty_map_does_not_pass(trained: Network, model_record: ModelRecord) -> None:
    empty = np.zeros((SIZE, SIZE), np.float32)
    verdict = check_map(
        Explained(trained, model_record, _scene(7, yes=True, place=(16, 18)), 1, "occlusion", CPU), empty
    )
    assert verdict.faults == ("the method attributes nothing to any pixel",)


def test_a_score_that_does_not_move_proves_nothing(trained: Network, model_record: ModelRecord) -> None:
    certain = copy.deepcopy(trained)
    with torch.no_grad():
        certain.head.bias[1] -= 60.0
    image = _scene(7, yes=True, place=(16, 18))
    found = attribute(certain, image[None], np.array([1]), CPU, "grad-cam")[0]
    verdict = check_map(Explained(certain, model_record, image, 1, "grad-cam", CPU), found)
    assert "the score moves by less than 0.01: deletion and insertion are not conclusive" in verdict.faults


def test_random_networks_without_a_map_are_no_comparison(
    trained: Network, model_record: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = _scene(7, yes=True, place=(16, 18))
    found = attribute(trained, image[None], np.array([1]), CPU, "grad-cam")[0]
    monkeypatch.setattr("shared.explanation.sanity_checks.attribute", lambda *_: np.zeros((1, SIZE, SIZE), np.float32))
    verdict = check_map(Explained(trained, model_record, image, 1, "grad-cam", CPU), found)
    assert verdict.similarity == (-1.0, -1.0, -1.0)
    assert "none of 10 networks with random weights gave a map to compare with" in verdict.faults


def test_checking_changes_nothing_and_repeats_itself(trained: Network, model_record: ModelRecord) -> None:
    image = _scene(8, yes=True)
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    state = torch.get_rng_state()
    found = attribute(trained, image[None], np.array([1]), CPU, "grad-cam")[0]
    verdicts = [check_map(Explained(trained, model_record, image, 1, "grad-cam", CPU), found) for _ in range(2)]
    assert verdicts[0] == verdicts[1]
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in trained.state_dict().items())


@pytest.mark.parametrize("size", [16, 33, 160])
def test_cells_are_means_over_a_grid(size: int) -> None:
    pixels = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    found = cells(pixels)
    assert found.shape == (GRID, GRID)
    along = np.arange(size) * GRID // size
    assert found[3, 7] == pytest.approx(pixels[np.ix_(along == 3, along == 7)].mean(), rel=1e-4)


def test_correlation_is_taken_where_there_is_something_to_see() -> None:
    random = np.random.default_rng(0)
    image = np.zeros((1, SIZE, SIZE), np.float32)
    image[:, :16] = 0.5
    first, second = random.normal(size=(GRID, GRID)), random.normal(size=(GRID, GRID))
    second[:8] = first[:8] ** 3
    assert rank_correlation(first, second, image) == pytest.approx(1.0)
    assert rank_correlation(first, np.ones_like(first), image) == 0.0
