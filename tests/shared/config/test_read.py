from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from shared.config.describe import to_yaml
from shared.config.read import faults_of, load_config
from shared.config.schema import Config, seed_of_repeat
from shared.errors import ConfigError
from shared.strategies import find_strategy


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
    with pytest.raises(ConfigError, match=r"data\.xyz: unknown key 'xyz'; keys of data: source, collections.*leaks"):
        load_config(None, ["data.xyz=drop"])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("data.split.fould=1", "data.split.fould: unknown key 'fould'; did you mean fold or folds? keys of"),
        (
            "data.split={folds: 3, fould: 1}",
            "data.split.fould: unknown key 'fould'; did you mean fold or folds?",
        ),
        ("data.budget.groups=1", "data.budget.groups: unknown key 'groups'; did you mean train_groups?"),
        ("published.vgg16={source: x, minutes: 1}", "published.vgg16.minutes: unknown key 'minutes'; did you mean"),
    ],
)
def test_a_nested_unknown_key_names_the_keys_of_its_own_section(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^the command line: {re.escape(message)}"):
        load_config(None, [word])


def test_an_unknown_key_of_a_list_item_names_the_keys_of_the_item() -> None:
    faults = faults_of(find_strategy("finetune").options, {"phases": [{"epochs": 1, "lr_haed": 1}]}, "strategy.")
    assert faults == [
        "strategy.phases.0.lr_haed: unknown key 'lr_haed'; did you mean lr_head? keys of strategy.phases.0: lr_head, "
        "epochs, train, lr_backbone, lr_decay, warmup, shape"
    ]


def test_a_key_that_may_hold_several_kinds_has_one_fault_that_names_them_all() -> None:
    with pytest.raises(ConfigError) as fault:
        load_config(None, ["backbone.layers=3"])
    assert str(fault.value) == "the command line: backbone.layers: input should be a list or 'auto', got 3"


def test_a_faulty_list_item_does_not_make_the_list_too_short() -> None:
    phases = find_strategy("finetune").options
    (fault,) = faults_of(phases, {"phases": [{"epochs": 0}]})
    assert fault.startswith("phases.0.epochs: ")
    assert faults_of(phases, {"phases": []}) == ["phases: input should be a longer list, got []"]


def test_a_fault_is_blamed_on_the_file_or_on_the_command_line_that_set_it(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("sede: 1\nbackbone: {store_size: 300}\ndata: {leaks: drop}\n")

    def message(*words: str) -> str:
        with pytest.raises(ConfigError) as fault:
            load_config(path, words)
        return str(fault.value)

    on_command_line, _, in_file = message("data.leeks=drop", "seed=-1").partition(f"; {path}: ")
    assert on_command_line.startswith("the command line: seed: ")
    assert "; data.leeks: unknown key 'leeks'" in on_command_line
    assert in_file.startswith("backbone: store_size is 300; ")
    assert "; sede: unknown key" in in_file
    path.write_text("backbone: {size: 64}\n")
    assert message("backbone.store_size=96").startswith(
        f"{path} with backbone.store_size=96: backbone: store_size is 96"
    )
    path.write_text("seed: 1\n")
    assert message("data.target.labels=used") == "the command line: data.target.domain: field required"


def test_an_override_wins_over_a_faulty_key_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("seed: one\n")
    assert load_config(path, ["seed=1"]).seed == 1


def test_few_labels_with_a_target_need_a_labelled_validation() -> None:
    words = ["data.target.domain=b", "data.budget.labels_per_class=5"]
    with pytest.raises(ConfigError, match=r"budget.validation is folds; set labelled"):
        load_config(None, words)
    budget = load_config(None, [*words, "data.budget.validation=labelled"]).data.budget
    assert [line.partition(":")[0] for line in budget.statements] == ["Few labels in training alone"]
    assert load_config(None, ["data.target.domain=b"]).data.budget.statements == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("data.folds=3", "data.split.folds"),
        ("data.target_unlabelled=true", "data.target.labels=absent"),
        ("backbone.frame=32", "backbone.store_size"),
        ("sensitivity=0.9", "decision.sensitivity"),
        ("data.split.left_out=x", "data.split.held_out_domain"),
    ],
)
def test_an_old_key_is_refused_with_its_new_name(old: str, new: str) -> None:
    with pytest.raises(ConfigError, match=f"^the command line: {old.partition('=')[0]}: was renamed; write {new}$"):
        load_config(None, [old])


@pytest.mark.parametrize(
    ("strategy", "old", "new"),
    [
        ("finetune", "augment", "augmentation"),
        ("finetune", "averaging", "ema_decay"),
        ("finetune", "balance", "sampling"),
        ("mean_teacher", "sure", "confidence_threshold"),
        ("mean_teacher", "teacher", "teacher_ema_decay"),
    ],
)
def test_an_old_option_of_a_strategy_is_refused_with_its_new_name(strategy: str, old: str, new: str) -> None:
    faults = faults_of(find_strategy(strategy).options, {"name": strategy, old: 1}, "strategy.")
    assert faults == [f"strategy.{old}: was renamed; write strategy.{new}"]


def test_an_old_option_is_not_renamed_to_one_that_the_strategy_lacks() -> None:
    (fault,) = faults_of(find_strategy("linear_probe").options, {"averaging": 0.9}, "strategy.")
    assert fault.startswith("strategy.averaging: unknown key 'averaging'; keys of strategy: ")


@pytest.mark.parametrize(
    ("old", "new"), [("data.split=drawn", "data.split.how"), ("data.target=x", "data.target.domain")]
)
def test_a_value_in_place_of_a_section_is_refused_with_the_key_to_write(old: str, new: str) -> None:
    with pytest.raises(ConfigError, match=f"is a section now; write {new}={old.partition('=')[2]}$"):
        load_config(None, [old])


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
def test_a_file_without_a_mapping_is_refused_on_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as fault:
        load_config(path)
    assert "\n" not in str(fault.value)


def test_keys_that_are_not_text_are_listed_by_full_name(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("strategy: {phases: [{1: 2}], on: 3}\npublished: {50: {source: x}}\n")
    with pytest.raises(ConfigError, match=r"c\.yaml: keys must be text; put in quotes: (.*)$") as fault:
        load_config(path)
    assert str(fault.value).endswith(": strategy.phases.1, strategy.True, published.50")


def test_a_wrong_type_is_named_as_yaml_names_it() -> None:
    with pytest.raises(ConfigError) as fault:
        load_config(None, ["data=here", "backbone.candidate_sizes=32", "published.vgg16={accuracy: 0.5}"])
    assert "data: input should be a mapping, got 'here'" in str(fault.value)
    assert "backbone.candidate_sizes: input should be a list, got 32" in str(fault.value)
    assert str(fault.value).endswith("published.vgg16.source: field required")


def test_the_resolved_configuration_reads_back_as_itself() -> None:
    words = ["data.source=x", "backbone.layers=[fire5]", "data.split={folds: 3, fold: 1}", "data.target.domain=b"]
    config = load_config(None, [*words, "published.vgg16={source: a paper}"])
    assert Config.model_validate(yaml.safe_load(to_yaml(config))) == config


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ("{no: leave_out}", "yes and no without quotes"),
        ("{thing: no}", "yes and no without quotes"),
        ("{0: no_tumour}", "numbers, dates and null without quotes"),
        ("{null: leave_out}", "numbers, dates and null without quotes"),
        ("{2020-01-01: leave_out}", "numbers, dates and null without quotes"),
    ],
)
def test_a_folder_whose_name_yaml_reads_as_no_word_asks_for_quotes(classes: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"data.classes: YAML reads {said}.*put them in quotes"):
        load_config(None, [f"data.classes={classes}"])
    quoted = load_config(None, ["data.classes={'0': no_tumour, 'no': leave_out}", "data.classes.01=tumour"])
    assert quoted.data.classes == {"0": "no_tumour", "no": "leave_out", "01": "tumour"}


@pytest.mark.parametrize("split", ["{}", "{folds: 3}", "{held_out_domain: far}"])
def test_the_seed_of_the_run_divides_the_data_unless_the_split_states_one(split: str) -> None:
    follows = load_config(None, ["seed=4", f"data.split={split}"])
    assert (follows.split_seed, seed_of_repeat(follows.data.split, 2)) == (4, None)
    states = load_config(None, ["seed=4", f"data.split={split}", "data.split.seed=0"])
    assert (states.split_seed, seed_of_repeat(states.data.split, 2)) == (0, 2)
    with pytest.raises(ConfigError, match=r"data\.split\.seed.*-1"):
        load_config(None, [f"data.split={split}", "data.split.seed=-1"])
