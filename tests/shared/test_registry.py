from __future__ import annotations

import pytest

from shared.errors import UnknownNameError
from shared.registry import Registry, unknown_name


@pytest.fixture
def backbones() -> Registry[int]:
    registry = Registry[int]("backbone")
    for number, name in enumerate(("resnet18", "resnet50", "vgg16")):
        registry.add(name, number)
    return registry


def test_records_are_found_by_name_in_the_order_of_registration(backbones: Registry[int]) -> None:
    assert list(backbones) == ["resnet18", "resnet50", "vgg16"]
    assert backbones.get("resnet50") == 1
    assert len(backbones) == 3
    assert "vgg16" in backbones
    assert "vgg19" not in backbones


def test_a_falsy_record_is_found_too(backbones: Registry[int]) -> None:
    assert backbones.get("resnet18") == 0


def test_a_second_record_of_the_same_name_is_refused_and_the_first_stays(backbones: Registry[int]) -> None:
    with pytest.raises(ValueError, match="backbone 'vgg16' is already registered"):
        backbones.add("vgg16", 9)
    assert backbones.get("vgg16") == 2


def test_a_near_miss_is_answered_with_the_near_names(backbones: Registry[int]) -> None:
    with pytest.raises(UnknownNameError, match="unknown backbone 'resnet81'; did you mean resnet18"):
        backbones.get("resnet81")


def test_a_far_miss_is_answered_with_all_names() -> None:
    assert unknown_name("head", "zzz", ["linear", "cosine"]) == "unknown head 'zzz'; known: linear, cosine"
