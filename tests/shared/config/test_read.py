from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from shared.config.describe import to_yaml
from shared.config.read import load_config
from shared.config.schema import Config
from shared.errors import ConfigError


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("sede: 1\nseed: -3\nbackbone: {size: huge}\n")
    with pytest.raises(ConfigError) as fault:
        load_config(path)
    message = str(fault.value)
    assert "sede: unknown key" in message
    assert "seed: " in message
    assert "-3" in message
    assert "backbone.size" in message
    assert "huge" in message
    assert "\n" not in message


def test_an_unknown_key_names_the_nearest_of_its_section_or_all() -> None:
    with pytest.raises(ConfigError, match=r"data\.leeks: unknown key 'leeks'; did you mean leaks"):
        load_config(None, ["data.leeks=drop"])
    with pytest.raises(ConfigError, match=r"data\.xyz: unknown key 'xyz'; known: source, collections.*leaks"):
        load_config(None, ["data.xyz=drop"])


def test_overrides_take_yaml_values_and_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("seed: 1\ndata: {domains: [a]}\n")
    config = load_config(path, ["seed=2", "data.domains=[b, c]", "strategy.name=linear_probe"])
    assert config.seed == 2
    assert config.data.domains == ("b", "c")
    assert config.strategy["name"] == "linear_probe"


@pytest.mark.parametrize("word", ["seed", "=1", "seed.deep=1"])
def test_a_malformed_override_is_refused(word: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("seed: 1\n")
    with pytest.raises(ConfigError):
        load_config(path, [word])


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", "\x00"])
def test_a_file_that_is_no_mapping_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as fault:
        load_config(path)
    assert "\n" not in str(fault.value)


def test_keys_that_are_no_text_are_named_where_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("strategy: {phases: [{1: 2}], on: 3}\npublished: {50: {source: x}}\n")
    with pytest.raises(ConfigError, match=r"c\.yaml: keys must be text; put in quotes: (.*)$") as fault:
        load_config(path)
    assert str(fault.value).endswith(": strategy.phases.1, strategy.True, published.50")


def test_a_fault_of_form_is_told_in_the_words_of_yaml_without_all_that_stands_around() -> None:
    with pytest.raises(ConfigError) as fault:
        load_config(None, ["data=here", "backbone.candidate_sizes=32", "published.vgg16={accuracy: 0.5}"])
    assert "data: input should be a mapping, got 'here'" in str(fault.value)
    assert "backbone.candidate_sizes: input should be a list, got 32" in str(fault.value)
    assert str(fault.value).endswith("published.vgg16.source: field required")


def test_the_resolved_configuration_reads_back_as_itself() -> None:
    config = load_config(None, ["data.source=x", "backbone.layers=[fire5]"])
    assert Config.model_validate(yaml.safe_load(to_yaml(config))) == config
