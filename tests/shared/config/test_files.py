"""Files that build on others by `base`."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.config.files import lay_over
from shared.config.read import load_config
from shared.errors import ConfigError


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_changes_keys_of_a_named_configuration(tmp_path: Path) -> None:
    own = _write(tmp_path / "own.yaml", "base: frozen\nname: ours\nbackbone: {size: 96}\n")
    frozen, ours = load_config("frozen", (), "medtl"), load_config(own, ["seed=3"], "medtl")
    assert (ours.name, ours.seed, ours.backbone.size) == ("ours", 3, 96)
    assert (ours.backbone.pooling, ours.strategy) == (frozen.backbone.pooling, frozen.strategy)


def test_a_base_may_be_a_file_beside_and_have_a_base_itself(tmp_path: Path) -> None:
    _write(tmp_path / "a.yaml", "base: finetune\nseed: 1\ndata: {classes: {scan.v1: ka}}\n")
    _write(tmp_path / "b.yaml", "base: a.yaml\ndata: {classes: {scan.v2: kha}}\nstrategy: {name: linear_probe}\n")
    config = load_config(tmp_path / "b.yaml", (), "handwriting")
    assert (config.name, config.seed) == ("characters-finetune", 1)
    assert dict(config.data.classes) == {"scan.v1": "ka", "scan.v2": "kha"}
    assert config.strategy == {"name": "linear_probe"}  # another strategy takes no options of the base


def test_a_network_of_its_own_drops_the_nearest_of_the_base(tmp_path: Path) -> None:
    assert load_config("frozen", (), "handwriting").backbone.nearest is not None
    own = _write(tmp_path / "own.yaml", "base: frozen\nbackbone: {size: 96}\n")
    assert load_config(own, (), "handwriting").backbone.nearest is None


def test_what_is_laid_over_leaves_the_base_alone() -> None:
    base = {"data": {"options": {"a": 1}}}
    assert lay_over(base, {"data": {"options": {"b": [2]}}}) == {"data": {"options": {"a": 1, "b": [2]}}}
    assert base == {"data": {"options": {"a": 1}}}


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("frosen", "own.yaml: base: unknown configuration 'frosen'; did you mean frozen"),
        ("own.yaml", "own.yaml: base: leads back to "),
        ("{seed: 1}", "own.yaml: base: give the name of a configuration, or the path of its file, got {'seed': 1}"),
        ("faulty.yaml", "faulty.yaml: sede: unknown key 'sede'; did you mean seed?"),
    ],
)
def test_a_fault_of_a_base_is_blamed_on_the_file_that_has_it(tmp_path: Path, base: str, said: str) -> None:
    _write(tmp_path / "faulty.yaml", "sede: 1\n")
    with pytest.raises(ConfigError) as fault:
        load_config(_write(tmp_path / "own.yaml", f"base: {base}\n"), (), "medtl")
    assert str(fault.value).startswith(f"{tmp_path}/{said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: 2001-99-99", "has a value that cannot be read"),
        ("name: &all [*all]", "has an alias within what it stands for"),
        ("name: " + "[" * 3000, "has more than 32 levels"),
        ("a: *b", "is not YAML"),
    ],
    ids=["date", "alias", "depth", "unknown alias"],
)
def test_what_only_looks_like_yaml_is_told_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"own\.yaml: {said}") as fault:
        load_config(_write(tmp_path / "own.yaml", text), (), "medtl")
    assert "\n" not in str(fault.value)
    with pytest.raises(ConfigError, match="is not a YAML value"):
        load_config(None, ["name=2001-99-99"], "medtl")


def test_a_base_is_no_override() -> None:
    with pytest.raises(ConfigError, match="the command line: base: is a key of files; on the command line, name"):
        load_config(None, ["base=frozen"], "medtl")
