"""Names of tensors in files, brought to those of the network."""

from __future__ import annotations

import pytest
import torch
from torch import Size

from shared.errors import WeightsError
from shared.models.backbones.record import BACKBONES
from shared.models.tensor_names import named_in_order, own_names

SHAPES = {"a.weight": Size([2, 3]), "a.bias": Size([2]), "b.weight": Size([2])}


def test_tensors_get_the_names_in_order_and_may_end_early() -> None:
    tensors = {"x.weight": torch.zeros(2, 3), "x.bias": torch.ones(2)}
    named = named_in_order("f.pth", tensors, SHAPES)
    assert list(named) == ["a.weight", "a.bias"]
    assert named["a.bias"] is tensors["x.bias"]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"x.weight": torch.zeros(3, 2)}, r"x\.weight \(3, 2\) in the place of a\.weight \(2, 3\)"),
        ({"x.weight": torch.zeros(2, 3), "x.weight2.weight": torch.zeros(2)}, r"in the place of a\.bias"),
        ({f"{i}.weight": torch.zeros(2) for i in range(4)}, "has 4 tensors, the network 3"),
    ],
)
def test_another_shape_kind_or_number_is_refused(tensors: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        named_in_order("f.pth", tensors, SHAPES)


def test_a_prefix_is_left_out_only_where_no_name_is_the_networks_own() -> None:
    record, one = BACKBONES.get("lenet"), torch.zeros(1)

    def names(*given: str) -> list[str]:
        return list(own_names("f.pth", record, dict.fromkeys(given, one), ("a.weight", "b.weight")))

    assert names("model.a.weight", "model.b.weight", "loss") == ["a.weight", "b.weight", "loss"]
    assert names("a.weight", "model.b.weight") == ["a.weight", "model.b.weight"]
    # a part with such a name is not the network
    assert names("x.part.a.weight", "x.a.weight", "x.b.weight") == ["part.a.weight", "a.weight", "b.weight"]
    assert names("other.weight") == ["other.weight"]
    with pytest.raises(WeightsError, match=r"holds several networks, under ema\., net\."):
        names("ema.a.weight", "net.a.weight")
