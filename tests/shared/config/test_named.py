"""Configurations by name: those of the package, those of a checkout, and what is said of a wrong name."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.config.named import find_config, first_sentence, list_configs
from shared.config.read import load_config
from shared.errors import ConfigError
from tests.shared.cli.calling import call, is_one_line

ROOT = Path(__file__).parents[3] / "configs"


def test_every_file_of_an_application_has_a_name_and_comparisons_are_apart() -> None:
    for application in ("medtl", "handwriting", "shared"):
        trainings, comparisons = list_configs(application), list_configs(application, "comparison")
        assert {*trainings.values(), *comparisons.values()} == set((ROOT / application).glob("*.yaml"))
        assert "frozen" in trainings
        assert "compare" in comparisons


def test_a_package_that_holds_its_configurations_needs_none_beside_it_and_one_without_has_the_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "orchard" / "configs").mkdir(parents=True)
    (tmp_path / "orchard" / "__init__.py").touch()
    (tmp_path / "orchard" / "configs" / "pears.yaml").write_text("# Pears. And more.\nseed: 5\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_config("pears", (), "orchard").seed == 5
    assert first_sentence(find_config("pears", "orchard")) == "Pears"
    assert [*list_configs("no_such_package")] == [*list_configs("os.path")] == ["default", "frozen"]
    assert find_config("compare", "leaves", "comparison").parent.name == "shared"


def test_a_file_that_exists_wins_over_a_name_and_a_folder_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("frozen").mkdir()
    assert find_config("frozen", "medtl").is_file()
    Path("robust").write_text("seed: 7\n")
    assert load_config("robust", (), "medtl").seed == 7


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("frosen", "unknown configuration 'frosen'; did you mean frozen"),
        ("compare_menu", "compare_menu is a comparison, not a configuration; use it with `medtl compare compare_menu`"),
        ("configs/frozen.yaml", "configs/frozen.yaml: cannot be read (No such file or directory); did you mean frozen"),
    ],
)
def test_a_name_that_there_is_not_is_refused_with_those_that_there_are(named: str, said: str) -> None:
    with pytest.raises(ConfigError) as fault:
        find_config(named, "medtl")
    assert str(fault.value).startswith(said)


def test_every_command_that_takes_a_configuration_takes_its_name() -> None:
    from medtl.cli import app

    for command in ("train", "crossval", "adapt", "zero-shot", "compare"):
        more = ("--draw", "1") if command == "zero-shot" else ()
        result = call(app, command, "froz", "seed=x", *more)
        assert result.exit_code == 2
        assert is_one_line(result, "unknown comparison 'froz'" if command == "compare" else "did you mean frozen")
    assert is_one_line(call(app, "train", "frozen", "seed=x"), "the command line: seed: ")
