"""Which samples a run learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from handwriting.task import TASK
from shared.config.read import load_config
from shared.config.schema import DataSection, TargetSection
from shared.data.loading import joined, load_dataset, require_data
from shared.errors import ConfigError, DataError, UsageError
from shared.io.atomic import read_json
from shared.pipeline.train import run
from shared.samples import Dataset, Sample
from shared.task import Preprocessing

Draw = Callable[..., Path]
SPEC = Preprocessing(32, 1, TASK.default_options)


def _load(data: DataSection, root: Path) -> Dataset:
    return load_dataset(TASK, data, SPEC, root, lambda *_: None)


def test_collections_become_domains_and_forget_their_own_split(tmp_path: Path, draw_characters: Draw) -> None:
    first = draw_characters(tmp_path / "a" / "Train", each=2, seed=1).parent
    draw_characters(first / "Test", each=2, seed=2)
    second = draw_characters(tmp_path / "b", each=3, seed=3, names=("digit_1", "digit_0", "digit_5"))
    dataset = _load(DataSection(collections={"one": str(first), "two": str(second)}), tmp_path)
    assert {sample.domain for sample in dataset.samples} == {"one", "two"}
    assert {sample.split for sample in dataset.samples} == {None}
    assert len({sample.id for sample in dataset.samples}) == len(dataset.samples) == 12 + 9
    assert set(dataset.classes) == {"digit_0", "digit_1", "digit_5", "ka"}
    alone = _load(DataSection(collections={"one": str(first), "two": str(second)}, domains=("two",)), tmp_path)
    assert len(alone.samples) == 9


def test_groups_of_two_collections_are_the_same_only_where_they_are_known_persons() -> None:
    sample = Sample("x", "x.png", label="digit_0", group="1", series="s")
    person = replace(sample, id="y", has_global_group_id=True)
    dataset = Dataset((sample, person), ("digit_0",), "hash")
    both = joined({"a": dataset, "b": dataset})
    assert [one.group for one in both.samples] == ["a/1", "1", "b/1", "1"]
    assert [one.series for one in both.samples] == ["a/s", "a/s", "b/s", "b/s"]
    assert both.content_hash != joined({"b": dataset, "a": dataset}).content_hash


def test_notes_and_the_synthetic_mark_are_kept() -> None:
    sample = Sample("x", "x.png", label="digit_0")
    real = Dataset((sample,), ("digit_0",), "hash", notes=("a file was skipped",))
    both = joined({"real": real, "made": replace(real, synthetic=True, notes=())})
    assert both.synthetic
    assert both.notes == ("real: a file was skipped",)


def test_a_source_of_one_class_is_nothing_to_learn_from_whatever_the_target_has(
    tmp_path: Path, draw_characters: Draw
) -> None:
    one = draw_characters(tmp_path / "one", each=3, names=("digit_0",))
    all_ = draw_characters(tmp_path / "all", each=3, seed=1)
    named = {"one": str(one), "all": str(all_)}
    with pytest.raises(DataError, match="all 3 samples to learn from are of class digit_0"):
        _load(DataSection(collections=named, target=TargetSection(domain="all")), tmp_path)
    assert len(_load(DataSection(collections=named, target=TargetSection(domain="one")), tmp_path).samples) == 12
    hidden = DataSection(collections=named, target=TargetSection(domain="all", labels="absent"))
    with pytest.raises(DataError, match="all 3 samples to learn from"):
        _load(hidden, tmp_path)
    seen = _load(hidden.model_copy(update={"target": TargetSection(domain="one", labels="absent")}), tmp_path).samples
    assert {sample.label for sample in seen if sample.domain == "one"} == {None}


def test_source_and_collections_exclude_each_other_and_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="source and collections both name the dataset"):
        load_config(None, ["data.source=a", "data.collections={b: c}"])
    with pytest.raises(UsageError, match="nowhere does not exist"):
        require_data(TASK, DataSection(collections={"a": str(tmp_path), "b": str(tmp_path / "nowhere")}))


def test_synthetic_data_are_made_for_their_word_and_for_nobody_who_names_none(
    tmp_path: Path, characters: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(type(TASK), "synthetic_dataset", lambda *_: characters)
    for check in (lambda section: require_data(TASK, section), lambda section: _load(section, tmp_path)):
        with pytest.raises(UsageError, match=r"no data are named; write data.source=letters.zip .* data.source=glyphs"):
            check(DataSection())
    named = DataSection(source="glyphs")
    require_data(TASK, named)
    assert len(_load(named, tmp_path).samples) == 48
    assert caplog.messages == []
    Path("glyphs").mkdir()
    assert len(_load(named, tmp_path).samples) == 48
    assert caplog.messages == ["data.source=glyphs means synthetic images; the folder here is ./glyphs"]


@pytest.mark.usefixtures("quick_ending")
def test_a_collection_can_be_left_out_and_no_folder_reaches_the_report(
    tmp_path: Path, tiny_words: tuple[str, ...], draw_characters: Draw
) -> None:
    for number, name in enumerate(("here", "there")):
        draw_characters(tmp_path / "private" / name, each=12, seed=number)
    named = f"data.collections={{here: {tmp_path}/private/here, there: {tmp_path}/private/there}}"
    words = (
        *(word for word in tiny_words if not word.startswith("data.source")),
        named,
        "data.split.held_out_domain=there",
    )
    folder = run(
        TASK, load_config(None, (*words, "strategy={name: linear_probe}")), root=tmp_path, out=tmp_path / "run"
    )
    assert read_json(folder / "report.json")["test"]["n"] == 36
    assert "private" not in (folder / "report.html").read_text()
