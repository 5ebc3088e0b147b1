"""What the viewer is told of an item: sides, places, words, windows, and what the network saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from medtl.inputs import read_inputs
from medtl.task import TASK
from medtl.transforms import preprocess
from medtl.web.shown import INPUTS, description, keep_inputs, keep_slices, windows
from shared.samples import Position
from shared.task import Item, Preprocessing

SPEC = Preprocessing(32, 1, TASK.default_options)


def told(item: Item, folder: Path) -> dict[str, Any]:
    return keep_slices(item, folder)


def test_a_series_tells_sides_places_and_what_it_is(judged: Any, tmp_path: Path) -> None:
    view = told(judged.item, tmp_path)
    heights = sorted(float(pydicom.dcmread(path).ImagePositionPatient[2]) for path in judged.folder.iterdir())
    assert view["marks"] == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert view["positions"] == pytest.approx(heights)
    assert view["description"] == "T1 with contrast agent, axial"


def test_a_picture_has_no_sides_no_places_and_no_words(tmp_path: Path) -> None:
    view = told(Item("a.png", slices=(np.eye(40, dtype=np.float32),)), tmp_path)
    assert (view["slices"], view["marks"], view["positions"], view["description"]) == (1, None, [], "")


def test_places_that_are_only_an_order_are_no_millimetres(judged: Any, tmp_path: Path) -> None:
    ordered = tuple(Position(float(number), "slices") for number in range(4))
    assert told(replace(judged.item, positions=ordered), tmp_path)["positions"] == []


def test_a_description_that_names_a_person_is_not_shown(judged: Any, tmp_path: Path) -> None:
    for path in judged.folder.iterdir():
        source = pydicom.dcmread(path)
        source.SeriesDescription = source.ProtocolName = "T1 post Secretname"
        source.save_as(tmp_path / path.name)
    (item,) = read_inputs([tmp_path])
    assert description(item) == "T1 with contrast agent, axial"


def test_windows_are_ordered_as_their_names_say() -> None:
    slices = [np.random.default_rng(seed).gamma(2.0, 100.0, (64, 64)).astype(np.float32) for seed in (0, 1)]
    found = windows(slices)
    both = np.concatenate(slices)
    assert found["full"] == (both.min(), both.max())
    assert found["middle"] == pytest.approx(np.percentile(both, (1, 99)))
    assert found["opened"] == pytest.approx(np.percentile(both, (0.5, 99.7)))
    black = {found[name][0] for name in ("opened", "brighter", "darker")}
    assert len(black) == 1
    assert found["brighter"][1] < found["opened"][1] < found["darker"][1]


def test_slices_of_one_value_and_a_bright_speck_are_shown_in_full() -> None:
    speck = np.zeros((200, 200), dtype=np.float32)
    speck[0, 0] = 9.0
    assert windows([speck])["opened"] == windows([speck])["middle"] == (0.0, 9.0)


def test_the_inset_is_what_the_network_gets(judged: Any, tmp_path: Path) -> None:
    view = keep_inputs(judged.item, SPEC, tmp_path)
    kept = np.fromfile(tmp_path / INPUTS, np.uint8).reshape(-1, 32, 32)
    assert (view["input_size"], len(kept)) == (32, len(judged.item.slices))
    for pixels, shown, crop in zip(judged.item.slices, kept, view["crops"], strict=True):
        np.testing.assert_allclose(shown / 255, preprocess(pixels, SPEC)[0], atol=0.5 / 255 + 1e-6)
        assert 0 < crop["side"] <= max(pixels.shape)
        head = pixels[max(crop["top"], 0) :][: crop["side"], max(crop["left"], 0) :][:, : crop["side"]]
        assert head.max() == pixels.max()
