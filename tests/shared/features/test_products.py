"""Products are the same whichever library computes them."""

from __future__ import annotations

import pytest
import torch

from shared.features import products


@pytest.mark.parametrize("has_onednn", [True, False])
@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16])
def test_products_are_those_of_exact_matrices(
    kind: torch.dtype, has_onednn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_has_onednn", lambda: has_onednn)
    block, weight, slopes = (torch.randint(-4, 5, shape).to(kind) for shape in ((7, 6), (3, 6), (7, 3)))
    assert torch.equal(products.scores_of(block, weight).double(), block.double() @ weight.double().T)
    assert torch.equal(products.sums_of(slopes, block).double(), slopes.double().T @ block.double())


def test_an_operator_that_is_gone_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: torch.Tensor) -> torch.Tensor:
        raise AttributeError("no such operator")

    monkeypatch.setattr(products, "_onednn", gone)
    products._has_onednn.cache_clear()
    try:
        assert torch.equal(products.scores_of(torch.eye(2), torch.eye(2)), torch.eye(2))
    finally:
        products._has_onednn.cache_clear()
