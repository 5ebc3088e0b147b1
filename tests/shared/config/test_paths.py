from __future__ import annotations

import errno
from pathlib import Path

import pytest

from shared.config.paths import paths_in, read_paths, with_paths
from shared.config.read import load_config
from shared.errors import ConfigError
from shared.runs.configuration import Written

WORDS = ["data.source=/home/anna/brain.zip", "backbone.weights=start/a.pth", "seed=3"]


def test_the_configuration_of_a_run_names_no_folder_and_is_whole_where_its_paths_are(tmp_path: Path) -> None:
    config = load_config(None, WORDS)
    written = Written.of(config)
    written.write(tmp_path)
    text = (tmp_path / "config.yaml").read_text()
    assert "source: brain.zip\n" in text
    assert "weights: a.pth\n" in text
    assert load_config(tmp_path / "config.yaml") == config
    assert (tmp_path / "paths.json").stat().st_mode & 0o777 == 0o600
    elsewhere = Written.of(load_config(None, [*WORDS, "data.source=/home/bert/brain.zip"]))
    assert (written.is_in(tmp_path), elsewhere.is_in(tmp_path)) == (True, False)
    (tmp_path / "paths.json").unlink()
    assert load_config(tmp_path / "config.yaml").data.source == "brain.zip"
    assert (written.is_in(tmp_path), elsewhere.is_in(tmp_path)) == (True, True)
    assert not Written.of(load_config(None, [*WORDS, "seed=4"])).is_in(tmp_path)


def test_paths_are_private_from_the_first_byte_and_nothing_is_left_of_half_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []

    def full(path: Path, _: str, **__: str) -> None:
        modes.append(path.stat().st_mode & 0o777)
        path.write_bytes(b'{"data"')
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=r"No space left on device: .*paths\.json"):
        Written.of(load_config(None, WORDS)).write(tmp_path)
    assert modes == [0o600]
    assert list(tmp_path.iterdir()) == []


def test_paths_are_put_only_where_their_last_part_stands() -> None:
    whole = {"a": ["/x/one", "two"], "b": {"c": "/y/three"}, "d": 4}
    cut = {"a": ["one", "two"], "b": {"c": "three"}, "d": 4}
    paths = paths_in(whole, cut)
    assert paths == {"a": ["/x/one", None], "b": {"c": "/y/three"}}
    assert with_paths(cut, paths) == whole
    assert with_paths({"a": ["one"], "b": {"c": "four"}, "d": None}, paths) == {
        "a": ["one"],
        "b": {"c": "four"},
        "d": None,
    }
    assert paths_in(cut, cut) is None


def test_damaged_paths_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "paths.json").write_text("[" * 100_000)
    with pytest.raises(ConfigError, match=r"paths\.json cannot be read; delete it"):
        read_paths(tmp_path)
