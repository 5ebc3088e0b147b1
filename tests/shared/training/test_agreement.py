"""When two passes of a backbone count as the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from shared.training.agreement import Pass, disagreement


def _pass(seed: int = 0) -> Pass:
    drawn = torch.Generator().manual_seed(seed)
    outputs, changes, *gradients = (torch.randn(4, 3, generator=drawn) for _ in range(4))
    return Pass([outputs], [*gradients, None], [changes], [torch.ones((), dtype=torch.int64)])


EXACT = _pass()


def _off(tensors: list[Tensor | None], share: float) -> list[Tensor | None]:
    """Tensors that lie off by a share of their norm."""
    return [None if one is None else one * (1.0 + share) for one in tensors]


def test_the_same_pass_agrees_and_one_that_is_rounded_as_coarsely() -> None:
    assert disagreement(EXACT, EXACT, EXACT) is None
    eager, found = (replace(EXACT, gradients=_off([*EXACT.gradients], share)) for share in (0.2, -0.25))
    assert disagreement(found, eager, EXACT) is None


@pytest.mark.parametrize("kind", ["outputs", "gradients", "changes"])
@pytest.mark.parametrize("share", [0.06, -1.0, float("nan")])
def test_what_is_off_is_found(kind: str, share: float) -> None:
    found = replace(EXACT, **{kind: _off([*getattr(EXACT, kind)], share)})
    assert disagreement(found, EXACT, EXACT) == f"{kind} differ"


def test_one_weight_of_many_that_got_another_gradient_is_found() -> None:
    many = [*EXACT.gradients] * 50
    found = replace(EXACT, gradients=[torch.zeros(4, 3), *many[1:]])
    assert disagreement(found, replace(EXACT, gradients=many), replace(EXACT, gradients=many)) == "gradients differ"


def test_a_weight_without_a_gradient_and_a_count_that_stood_still_are_found() -> None:
    missing = replace(EXACT, gradients=[EXACT.gradients[0], None, None])
    assert disagreement(missing, EXACT, EXACT) == "gradients are missing"
    stood = replace(EXACT, counts=[torch.zeros((), dtype=torch.int64)])
    assert disagreement(stood, EXACT, EXACT) == "counts differ"


def test_what_rounding_hides_is_not_taken_for_the_same() -> None:
    eager = replace(EXACT, gradients=_off([*EXACT.gradients], 0.6))
    assert disagreement(eager, eager, EXACT) == "gradients are rounded too coarsely to be compared"
