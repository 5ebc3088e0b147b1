"""Which runs belong together in a mean, and among how many models validation chose it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.errors import UsageError
from shared.io.atomic import read_json, write_json
from shared.runs.folder import finish
from shared.runs.members import (
    Member,
    models_in_all,
    name_backbones,
    read_members,
    why_no_mean_of_weights,
)
from tests.shared.cli.calling import call

Tree = dict[str, Any]


def _changed(run: Path, out: Path, change: Callable[[Tree], object]) -> Path:
    """A copy of a run with a changed record."""
    shutil.copytree(run, out)
    tree = read_json(out / "model.json")
    change(tree)
    write_json(out / "model.json", tree)
    finish(out, tree["task"])
    return out


def _rewritten(run: Path, out: Path, name: str, old: str, new: str) -> Path:
    """A copy of a run in which a text of a file is replaced."""
    shutil.copytree(run, out)
    text = (out / name).read_text(encoding="utf-8")
    assert old in text
    (out / name).write_text(text.replace(old, new), encoding="utf-8")
    finish(out, "handwriting")
    return out


@pytest.fixture
def members(tiny_run: Path, sibling_run: Path) -> tuple[Member, ...]:
    return read_members("handwriting", [tiny_run, sibling_run])


def test_runs_of_other_seeds_on_one_division_belong_together(
    members: tuple[Member, ...], tiny_run: Path, sibling_run: Path
) -> None:
    assert [member.folder for member in members] == [tiny_run, sibling_run]
    assert [member.config.seed for member in members] == [0, 1]
    assert [member.config.split_seed for member in members] == [0, 0]
    first, second = (member.predictions("validation").samples for member in members)
    assert first == second != members[0].predictions("test").samples


def _refused(*runs: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read_members("handwriting", runs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_run_or_the_same_twice_is_no_mean(tiny_run: Path, sibling_run: Path, tmp_path: Path) -> None:
    assert "name at least two" in _refused(tiny_run)
    copy = shutil.copytree(tiny_run, tmp_path / "copy")
    assert "hold the same weights" in _refused(tiny_run, sibling_run, copy)


def test_a_run_of_another_application_is_refused(tiny_run: Path, screening_run: Path) -> None:
    assert "is a run of medtl, and this is handwriting" in _refused(tiny_run, screening_run)


def test_a_mean_is_no_member(tiny_run: Path, ensemble_run: Path) -> None:
    assert "is itself a mean of runs; name its members" in _refused(tiny_run, ensemble_run)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tree: tree.update(data_hash="0"), "were trained on other data"),
        (lambda tree: tree.update(classes=["a", "b", "c"]), "have other classes: a, b, c and ka, digit_0, digit_1"),
        (lambda tree: tree["preprocessing"].update(size=64), r"have other images stored at (backbone.store_size): 64"),
        (lambda tree: tree["preprocessing"]["options"].update(margin=0.5), "have other preprocessing"),
    ],
)
def test_records_that_differ_are_refused(
    tiny_run: Path, sibling_run: Path, tmp_path: Path, change: Callable[[Tree], object], said: str
) -> None:
    assert said in _refused(tiny_run, _changed(sibling_run, tmp_path / "other", change))


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("config.yaml", "max_selective_risk: 0.01", "max_selective_risk: 0.02", "have other decision"),
        ("config.yaml", "labels_per_class: null", "labels_per_class: 4", "kept no image for validation"),
        ("config.yaml", "leaks: refuse", "leaks: allow", "have other data.leaks: allow and refuse"),
    ],
)
def test_configurations_that_differ_are_refused(
    tiny_run: Path, sibling_run: Path, tmp_path: Path, name: str, old: str, new: str, said: str
) -> None:
    assert said in _refused(tiny_run, _rewritten(sibling_run, tmp_path / "other", name, old, new))


def test_runs_whose_seeds_divided_the_data_are_refused(tiny_run: Path, sibling_run: Path, tmp_path: Path) -> None:
    # an image of validation has become one of the test
    text = (sibling_run / "predictions.csv").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("validation,"))
    moved = _rewritten(sibling_run, tmp_path / "other", "predictions.csv", row, row.replace("validation,", "test,", 1))
    said = _refused(tiny_run, moved)
    assert "have other images in validation (their seeds divide the data: 0 and 0)" in said
    assert said.endswith("train them with the same data.split.seed")


def test_a_run_with_an_added_class_is_refused(
    tiny_run: Path, characters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from handwriting.cli import app

    out = tmp_path / "more"
    call(app, "add-class", "kha", characters / "digit_0" / "000.png", "--model", tiny_run, "--out", out)
    assert "has no predictions of a validation, as after add-class" in _refused(tiny_run, out)


def test_a_model_of_the_package_is_refused(tiny_run: Path, released_model: Path) -> None:
    assert "comes with the package, which holds no predictions of it" in _refused(tiny_run, released_model)


def test_any_model_of_one_member_could_have_met_any_of_another(members: tuple[Member, ...]) -> None:
    assert models_in_all(members) == 8 * 8  # 8 epochs each
    kept = replace(members[1].record, rejection={**(members[1].record.rejection or {}), "choices": 3})
    assert models_in_all([members[0], replace(members[1], record=kept), members[0]]) == 8 * 3 * 8


def _with(member: Member, **changes: Any) -> Member:
    return replace(member, record=replace(member.record, backbone={**member.record.backbone, **changes}))


def test_weights_are_averaged_only_from_one_start(members: tuple[Member, ...]) -> None:
    assert "began with random weights" in str(why_no_mean_of_weights(members))
    weights = {**members[0].record.backbone["weights"], "sha256": "a", "reinitialised": []}
    one, other = (_with(member, weights=weights) for member in members)
    assert why_no_mean_of_weights([one, other]) is None
    assert "began with other weights" in str(
        why_no_mean_of_weights([one, _with(other, weights={**weights, "sha256": "b"})])
    )
    assert "has layers block1" in str(why_no_mean_of_weights([one, _with(other, layers=["block1"])]))
    partly = {**weights, "reinitialised": ["block2"]}
    assert "random weights" in str(why_no_mean_of_weights([_with(one, weights=partly), _with(other, weights=partly)]))
    auxiliary = replace(other, record=replace(other.record, auxiliary={"plane": ["axial"]}))
    assert "other auxiliary tasks" in str(why_no_mean_of_weights([one, auxiliary]))


def test_backbones_are_named_once_with_their_number(members: tuple[Member, ...]) -> None:
    assert name_backbones([*members, _with(members[0], name="vgg16")]) == "2 x convnet_small + vgg16"
