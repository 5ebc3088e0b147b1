"""The command `crossval`."""

from __future__ import annotations

from handwriting.cli import app
from tests.shared.cli.calling import call, is_one_line


def test_folds_beside_domains_are_refused() -> None:
    result = call(app, "crossval", "--leave-out", "domain", "--folds", 5)
    assert result.exit_code == 2
    assert is_one_line(result, "--folds 5 and --leave-out both choose the test set")


def test_each_way_of_dividing_is_done_with_its_own_number(monkeypatch) -> None:
    asked: list[dict[str, int]] = []

    def told(task, settings, *, root, progress, keep: bool, **counts: int) -> dict[str, list[str]]:
        asked.append(counts)
        return {"disclaimers": ["for research"]}

    monkeypatch.setattr("shared.experiments.crossval.cross_validate", told)
    monkeypatch.setattr("shared.experiments.crossval.cross_validation_lines", lambda tree: [])
    monkeypatch.setattr("shared.experiments.leave_domain_out.leave_domains_out", told)
    monkeypatch.setattr("shared.experiments.leave_domain_out.leave_out_lines", lambda tree: [])
    for words in ((), ("--folds", 3, "--repeats", 2), ("--leave-out", "domain", "--repeats", 4)):
        result = call(app, "crossval", *words)
        assert result.exit_code == 0, result.output
        assert result.stdout == "for research\n"
    assert asked == [{"folds": 5, "repeats": 1}, {"folds": 3, "repeats": 2}, {"seeds": 4}]
