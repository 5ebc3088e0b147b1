"""Which of two unlike rules decide, and that both must agree before an adapted run is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from shared.adaptation import choice
from shared.adaptation.choice import AUTO, Opinion, choice_rules, choose, level_of_each, statement, unlike_rules
from shared.adaptation.criteria import Run, setting_rules
from shared.adaptation.reverse_validation import REVERSE


def _runs(root: Path, *names: str, reverse: bool = True) -> list[Run]:
    for name in names:
        (root / name).mkdir()
        if reverse:
            (root / name / REVERSE).write_text("{}")
    return [Run(name, root / name, ()) for name in names]


def _say(monkeypatch: pytest.MonkeyPatch, values: Mapping[str, Mapping[str, float]]) -> None:
    """Makes the rules give these values, by rule and run, with intervals of 0.05 to both sides."""

    def gain(run: Run, reference: Run, rule: str, *, level: float) -> tuple[float, tuple[float, float]]:
        more = values[rule][run.name] - values[rule][reference.name]
        return more, (more - 0.05, more + 0.05)

    monkeypatch.setattr(choice, "score_run", lambda run, rule: values[rule][run.name])
    monkeypatch.setattr(choice, "bootstrap_gain", gain)


def test_reverse_validation_chooses_where_every_run_has_it(tmp_path: Path) -> None:
    there = _runs(tmp_path, "source", "dann")
    lacking = [*there, *_runs(tmp_path, "cdan", reverse=False)]
    assert unlike_rules(AUTO, there) == ("reverse_validation", "mutual_information")
    assert unlike_rules(AUTO, lacking) == ("mutual_information", "cluster_agreement")
    assert unlike_rules("entropy", there) == ("entropy", "reverse_validation")
    assert unlike_rules("cluster_agreement", there) == ("cluster_agreement", "mutual_information")
    assert choice_rules() == [AUTO, *setting_rules()]
    assert all(len(set(unlike_rules(rule, there))) == 2 for rule in choice_rules())


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (0.1, 0.1, "dann"),
        (0.01, 0.1, "source"),
        (0.1, 0.01, "source"),
        (0.1, -0.1, "source"),
        (-0.1, 0.1, "source"),
        (-0.1, -0.1, "source"),
    ],
)
def test_an_adapted_run_is_kept_only_where_two_unlike_rules_agree(
    first: float, second: float, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, dann, cdan = _runs(tmp_path, "source", "dann", "cdan")
    values = {
        "reverse_validation": {"source": 0.7, "dann": 0.7 + first, "cdan": 0.5},
        "mutual_information": {"source": 0.3, "dann": 0.3 + second, "cdan": 0.9},
    }
    _say(monkeypatch, values)
    found = choose(source, [dann, cdan])
    assert (found.chosen.name, found.kept.name) == ("dann", kept)
    assert found.values == values
    assert ("ALARM" in found.statement) == (kept == "source")


def test_the_statement_says_what_each_rule_says() -> None:
    likes, dislikes = Opinion("reverse_validation", 0.2, (0.1, 0.3)), Opinion("mutual_information", -0.2, (-0.3, -0.1))
    assert statement("dann", [likes, likes], 0.68).startswith(
        "dann is kept: compared with source only, reverse validation"
    )
    said = statement("dann", [likes, dislikes], 0.68)
    assert said.startswith("NEGATIVE TRANSFER ALARM: source only is kept.")
    assert "reverse validation prefers it (+0.200 [+0.100, +0.300])" in said
    assert "mutual information does not (-0.200" in said
    assert said.endswith("intervals at 68% each, together as sure as one at 95%.")


def test_too_few_units_keep_the_source() -> None:
    few = Opinion("reverse_validation", 0.2, None)
    assert not few.prefers
    assert "too few independent images" in statement("dann", [few, few], 0.68)


@pytest.mark.parametrize("choices", [1, 4])
def test_two_independent_rules_err_together_as_rarely_as_one_at_95_percent(choices: int) -> None:
    each = (1 - level_of_each(choices)) / 2
    assert each**2 == pytest.approx(0.025 / choices)
