"""A finished run in Python: measures, answers equal to the command's, evaluation, and clear refusals."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import handwriting
from handwriting.cli import app
from handwriting.task import TASK
from shared.api import Application
from shared.api.arguments import words_of
from shared.api.guard import in_words_of_commands, in_words_of_python, worded
from shared.api.metrics import Metric
from shared.api.run import Run
from shared.api.studies import Comparison
from shared.errors import MedtlError, UsageError
from tests.shared.cli.calling import call


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Application:
    monkeypatch.chdir(tmp_path)
    return Application(TASK, tmp_path / "runs")


@pytest.fixture
def run(application: Application, tiny_run: Path) -> Run:
    return application.load_run(tiny_run)


@pytest.fixture
def pictures(characters: Path) -> list[Path]:
    return [characters / "digit_0" / "000.png", characters / "character_1_ka" / "001.png"]


def test_metrics_are_those_of_the_report(run: Run, tiny_run: Path) -> None:
    stored = json.loads((tiny_run / "report.json").read_text())["test"]
    found = run.metrics["accuracy"]
    assert isinstance(found, Metric)
    assert (found.value, found.low, found.high, found.n) == tuple(
        stored["accuracy"][key] for key in ("value", "low", "high", "n")
    )
    assert float(found) == found.value
    assert "confusion" not in run.metrics
    with pytest.raises(MedtlError, match="no measure 'acuracy'; did you mean accuracy"):
        _ = run.metrics["acuracy"]
    assert "accuracy" in run.metrics._repr_html_()


def test_answers_are_those_of_the_command(run: Run, tiny_run: Path, pictures: list[Path]) -> None:
    answers = run.predict(pictures, progress=False)
    printed = call(app, "predict", *pictures, "--model", tiny_run, "--json").stdout.splitlines()
    assert answers.to_json() == [json.loads(line) for line in printed]
    assert [answer.input for answer in answers] == [str(path) for path in pictures]
    assert len(answers[1:]) == 1
    assert answers[1:][0] == answers[1]
    said = call(app, "predict", *pictures, "--model", tiny_run).stdout
    assert str(answers) in said
    shown = answers._repr_html_()
    assert all(str(path) in shown for path in pictures)


def test_each_answer_is_handed_on_at_once_and_written(run: Run, pictures: list[Path], tmp_path: Path) -> None:
    seen: list[str] = []
    run.predict(pictures, out=tmp_path / "out", each=lambda one: seen.append(one.answer.input), progress=False)
    assert seen == [str(path) for path in pictures]
    assert len((tmp_path / "out" / "predictions.jsonl").read_text().splitlines()) == 2


def test_a_run_shows_what_it_is_fit_for(run: Run) -> None:
    assert str(run) == "\n".join(run.lines)
    assert run.lines[0].startswith("verdict: ")
    assert run.report.is_file()
    assert str(run.verdict) in repr(run)
    assert run.name in run._repr_html_()


def test_evaluate_without_data_is_the_own_test(run: Run) -> None:
    own = run.evaluate()
    assert own.metrics["accuracy"] == run.metrics["accuracy"]
    assert "accuracy" in own._repr_html_()
    with pytest.raises(UsageError, match="known_only needs `data`; the run's own test set is not evaluated again"):
        run.evaluate(known_only=True)


@pytest.mark.parametrize(
    ("given", "said"),
    [({"prevalence": 2}, "prevalence is 2; it is a share"), ({"miss_cost": float("nan")}, "miss_cost is nan; give")],
)
def test_facts_on_use_are_checked(run: Run, given: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run.evaluate("letters.zip", **given)  # type: ignore[arg-type]


def test_an_upload_is_kept_for_a_time_that_there_is(run: Run) -> None:
    from shared.api.serving import serve

    with pytest.raises(UsageError, match="keep-minutes is -1; give a number from 1 to 10080"):
        serve(run, lambda _: None, "127.0.0.1", 0, -1, print)  # type: ignore[arg-type, return-value]


def test_a_run_is_found_by_name_and_becomes_the_default(application: Application, run: Run) -> None:
    with pytest.raises(MedtlError, match="no finished handwriting run"):
        application.load_run()
    with pytest.raises(UsageError, match="nowhere: no folder"):
        application.load_run("nowhere")
    run.use()
    assert application.load_run().folder.resolve() == run.folder.resolve()
    assert application.models().default is not None
    other = Application(TASK, application.root)
    other.task = type("Other", (), {"name": "medtl"})()  # type: ignore[assignment]
    with pytest.raises(UsageError, match="is a run of handwriting; `medtl` cannot use it"):
        other.load_run(run.folder)


def test_a_run_stands_for_its_folder_and_is_opened_once(application: Application, run: Run) -> None:
    assert application.load_run(run) is run
    assert application.load_run(run.folder).folder == run.folder
    with pytest.raises(UsageError, match="name at least two"):
        application.ensemble([run], progress=False)


def test_the_rows_of_a_comparison_need_no_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Comparison({"rows": [], "main": "auc"}, ())
    assert found.rows == []
    assert not found.failed
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"needs pandas.*`rows` gives the same"):
        found.to_frame()


def test_a_finished_training_is_taken_as_it_is(
    application: Application, tiny_run: Path, tiny_words: tuple[str, ...]
) -> None:
    again = application.train(settings=tiny_words, out=tiny_run, progress=False)
    assert isinstance(again, Run)
    assert again.metrics == application.load_run(tiny_run).metrics


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"config": 3}, TypeError, "config is 3 (int); give a path"),
        ({"data": 3.5}, TypeError, "data is 3.5 (float); give a path"),
        ({"settings": 5}, TypeError, "settings is 5 (int); give keys with values, such as"),
        ({"settings": {"seed": object}}, TypeError, "seed is "),
        ({"settings": {3: 4}}, TypeError, "3 is no key of a configuration"),
        ({"seeds": "two"}, TypeError, "seeds is 'two' (str); give a whole number from 1 on"),
        ({"seeds": 0}, UsageError, "seeds is 0; give a whole number from 1 on"),
        ({"ensemble": True}, UsageError, "seeds is 1; give seeds=2 or more"),
        ({"seeds": 2, "out": "x"}, UsageError, "out names one folder"),
        ({"average": "weights"}, UsageError, "average is weights, and averages nothing without ensemble"),
        ({"settings": {"backbone.nmae": "vgg16"}}, MedtlError, "settings: backbone.nmae: unknown key"),
        ({"settings": ["backbone.nmae=vgg16"]}, MedtlError, "settings: backbone.nmae: unknown key"),
        ({"data": "x.zip", "seed": "one"}, MedtlError, "the arguments: seed: input should be a whole number"),
        ({"config": "frozne"}, MedtlError, "did you mean frozen"),
        ({"config": "scans.zip"}, UsageError, "scans.zip is no configuration; give it as `data`"),
        ({"data": "nowhere"}, MedtlError, "nowhere does not exist"),
        ({}, MedtlError, "no data are named"),
    ],
)
def test_wrong_arguments_are_one_clear_line(
    application: Application, given: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as caught:
        application.train(**given, progress=False)  # type: ignore[call-overload]
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("function", "given", "said"),
    [
        ("adapt", {"source": "old.zip"}, "source needs a target"),
        ("adapt", {"source": "a", "target": "b", "loss_weights": {"coral": 1}}, "loss_weights coral: the strategies"),
        ("crossval", {"folds": 0}, "folds is 0; give a whole number from 2 on"),
        ("ensemble", {"runs": "nowhere"}, "nowhere: no folder"),
        (
            "adapt",
            {"data": "x.zip", "source": ".", "target": "/"},
            "source and target are paths; leave out data.source",
        ),
        ("load_run", {}, "train one (`train()`), or name one from elsewhere by run"),
        ("predict", {"paths": "x.png"}, "or name one from elsewhere by model"),
        ("adapt", {"strategies": "dan"}, "strategies: unknown name 'dan'; did you mean dann"),
        ("adapt", {"rule": "luck"}, "rule: unknown name 'luck'; allowed are auto"),
        ("adapt", {"loss_weights": {"dan": 1}}, "loss_weights: unknown name 'dan'; did you mean dann"),
        ("adapt", {"loss_weights": {"dann": -1}}, "loss_weights of dann is -1; give a number above 0, such as 0.3"),
        ("adapt", {"loss_weights": {"dann": [0.5, 0.5]}}, "loss_weights of dann is 0.5 twice; name each once"),
        ("adapt", {"loss_weights": {"dann": float("nan")}}, "loss_weights of dann is nan"),
        (
            "adapt",
            {"source": "a", "target": "b", "unlabelled": True, "train_on_target": False},
            "train_on_target=False cannot act where the target is unlabelled",
        ),
        ("crossval", {"leave_out": "domain", "folds": 3}, "folds=3 and leave_out both choose the test set"),
        ("compare", {"comparison": "frozen"}, "use it with `train('frozen')`"),
    ],
)
def test_a_fault_is_told_of_the_argument_and_not_of_an_option(
    application: Application, function: str, given: dict[str, object], said: str
) -> None:
    with pytest.raises(MedtlError) as caught:
        getattr(application, function)(**given)
    assert said in str(caught.value)
    assert "--" not in str(caught.value)


def test_numbers_of_trials_are_checked() -> None:
    with pytest.raises(UsageError, match="draw is 0; give a whole number from 1 on"):
        handwriting.zero_shot(draw=0)
    with pytest.raises(UsageError, match="seeds is 0; give a whole number from 1 on"):
        handwriting.zero_shot(draw=1, seeds=0)


@pytest.mark.parametrize("weights", [0.3, {"dann": "0.3"}, {"dann": True}, {"dann": [None]}])
def test_weights_are_numbers_by_strategy(application: Application, weights: object) -> None:
    with pytest.raises(
        TypeError, match=r"give weights by strategy, such as|a loss weight of dann is .*; give a number"
    ):
        application.adapt(source="a", target="b", loss_weights=weights)  # type: ignore[arg-type]


def test_commands_in_a_message_become_functions() -> None:
    @in_words_of_python
    def read(out: str | None = None) -> None:
        raise UsageError(
            "`audit DATA --out DIR` lists them; choose another --out DIR, by `medtl use RUN`; `medtl` is not "
            "`no_tumour`; OUT, not AUC, or pip install --no-deps x"
        )

    with pytest.raises(UsageError) as caught:
        read()
    assert str(caught.value) == (
        "`audit(DATA, out=DIR)` lists them; choose another out=DIR, by `load_run(RUN).use()`; `medtl` is not "
        "`no_tumour`; `out`, not AUC, or pip install --no-deps x"
    )


def test_lines_are_in_the_words_of_their_reader() -> None:
    line = "the default; another by --model RUN, or `medtl use RUN`"
    said = "the default; another by model=RUN, or `load_run(RUN).use()`"

    @in_words_of_python
    def told() -> str:
        return worded(line)

    assert worded(line) == told() == said
    with in_words_of_commands():
        assert worded(line) == told() == line


def test_an_explanation_needs_a_folder_and_licences_are_whole_lines(run: Run, pictures: list[Path]) -> None:
    with pytest.raises(TypeError, match="out is None"):
        run.explain(pictures, out=None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="licences is 3"):
        run.pack("small", 3)  # type: ignore[arg-type]


def test_progress_must_be_a_choice_or_a_function(run: Run, pictures: list[Path]) -> None:
    with pytest.raises(TypeError, match="progress is 'loud'; give True, False, or a function"):
        run.predict(pictures, progress="loud")  # type: ignore[arg-type]
    told: list[str] = []
    run.predict(pictures, progress=lambda what, *_: told.append(what))
    assert told


def test_settings_keep_their_types(application: Application) -> None:
    strategy = {"name": "finetune", "lr_decay": 1e-5}
    words = words_of({"data.source": Path("x.zip"), "seed": 3, "strategy": strategy})
    config = application._config(None, words)
    assert (config.data.source, config.seed, config.strategy["lr_decay"]) == ("x.zip", 3, 1e-5)


def test_the_package_hands_on_the_same(tiny_run: Path, pictures: list[Path]) -> None:
    run = handwriting.load_run(tiny_run)
    assert (
        run.predict(pictures[0], progress=False).to_json()
        == handwriting.predict(pictures[0], model=tiny_run, progress=False).to_json()
    )
