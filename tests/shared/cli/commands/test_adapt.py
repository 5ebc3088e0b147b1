"""The command `adapt`: what it is told, and what it refuses before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from handwriting.cli import app
from shared.api.adapting import between, folder_name
from shared.cli.commands.adapt import read_loss_weights
from shared.config.read import load_config
from shared.errors import UsageError
from shared.experiments.adaptation import Plan
from shared.strategies import target_strategies
from tests.shared.cli.calling import call, is_one_line


def test_two_domains_or_two_paths_are_named_and_nothing_between(tmp_path: Path) -> None:
    config = load_config(None, ())
    named = between(config, "a", "b").data
    assert (named.domains, named.target_domain) == (("a", "b"), "b")
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    paths = between(config, str(tmp_path / "x"), str(tmp_path / "y")).data
    assert (list(paths.collections), paths.target_domain) == (["x", "y"], "y")
    lacking = (("a", str(tmp_path / "y")), ("a", None), ("a.zip", "b.zip"), (str(tmp_path / "x"), "b"))
    alike = (("a", "a"), (str(tmp_path / "x"), f"{tmp_path}/y/../x"))
    for source, target in (*lacking, *alike):
        with pytest.raises(UsageError):
            between(config, source, target)


def test_each_pair_of_domains_has_a_folder_of_its_own() -> None:
    config = load_config(None, ("name=mri",))
    there, back = (between(config, *pair) for pair in (("ge signa", "siemens"), ("siemens", "ge signa")))
    assert folder_name(there) == "mri-ge-signa-to-siemens-seed0"
    assert folder_name(back) == "mri-siemens-to-ge-signa-seed0"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rule", "entropi"), "--rule: unknown name 'entropi'; did you mean entropy"),
        (("--rule", "luck"), "allowed are auto, reverse_validation, "),
        (("--strategy", "dan"), "--strategy: unknown name 'dan'; did you mean dann"),
        (("--strategy", "finetune"), "--strategy: unknown name 'finetune'"),
        (("--strategy", "dann", "--strategy", "dann"), "--strategy is given dann, dann"),
        (("--loss-weight", "dann=0.5", "--loss-weight", "dann=.5"), "--loss-weight of dann is 0.5 twice"),
        (("--loss-weight", 0.5), "--loss-weight '0.5': give STRATEGY=WEIGHT with a weight above 0, such as dann=0.3"),
        (("--loss-weight", "dann=-1"), "--loss-weight of dann is -1; give a number above 0, such as 0.3"),
        (("--loss-weight", "dan=1"), "--loss-weight: unknown name 'dan'; did you mean dann"),
        (("--loss-weight", "coral=1"), "--loss-weight coral: the strategies that are tried are dann; leave it out"),
        (("--strategy", "adabn", "--loss-weight", "adabn=0.5"), "--loss-weight: adabn has no adaptation loss"),
        (("--strategy", "mean_teacher", "--label-shift"), "--label-shift: mean_teacher does not weight classes"),
        (("--unlabelled", "--train-on-target"), "--train-on-target cannot act where the target is unlabelled"),
        (("--unlabelled", "--no-train-on-target"), "--no-train-on-target cannot act"),
        (("--source", "nowhere"), "both"),
    ],
)
def test_what_cannot_act_is_refused_before_anything_is_read(words: tuple[str | float, ...], said: str) -> None:
    result = call(app, "adapt", "--target", "nowhere", *words)
    assert result.exit_code == 2, result.output
    assert is_one_line(result, said)
    assert not list(Path().iterdir())


def test_the_defaults_are_names_that_there_are() -> None:
    assert set(Plan.strategies) < set(target_strategies())
    Plan(strategies=tuple(target_strategies())).check()


def test_each_strategy_has_weights_of_its_own() -> None:
    given = ("dann=0.3", "coral=100", "dann=1")
    assert read_loss_weights(given) == {"dann": [0.3, 1.0], "coral": [100.0]}
