"""Folders that are no known class are a question in every command that reads data, and no name of a person is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from medtl.cli import app
from shared.io.atomic import read_json
from tests.shared.cli.calling import call, is_wrong_usage
from tests.shared.cli.heads import BACKBONE, FINETUNE, PLACES, draw_heads

PERSONS = ("Beispiel_Anna", "Doe-John", "P19450203")
QUESTION = "that are not known; the names of 3 are not shown here"
HEADS = {"tumor": PLACES["glioma"], "non_tumor": None}


@pytest.fixture
def persons(tmp_path: Path) -> Path:
    return draw_heads(tmp_path / "data", dict.fromkeys(PERSONS, (9, 12, 4)), each=2)


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    return draw_heads(tmp_path / "data", HEADS, each=12)


@pytest.mark.parametrize(
    "words",
    [
        ("train", "data.source=DATA", BACKBONE, FINETUNE, "--out", "RUN"),
        ("train", "data.collections={a: DATA}", BACKBONE, FINETUNE, "--out", "RUN"),
        pytest.param(
            ("crossval", "data.source=DATA", BACKBONE, FINETUNE, "--folds", "2", "--out", "RUN"),
            marks=pytest.mark.slow,
            id="crossval",
        ),
        pytest.param(
            ("adapt", BACKBONE, FINETUNE, "--source", "DATA", "--target", "OTHER", "--unlabelled", "--out", "RUN"),
            marks=pytest.mark.slow,
            id="adapt",
        ),
        pytest.param(
            ("zero-shot", "data.source=DATA", BACKBONE, "--unseen", "glioma", "--out", "RUN"),
            marks=pytest.mark.slow,
            id="zero-shot",
        ),
        pytest.param(("advise", "DATA", "--out", "RUN"), marks=pytest.mark.slow, id="advise"),
        ("evaluate", "MODEL", "DATA", "--out", "RUN"),
    ],
    ids=lambda words: words[0],
)
def test_no_command_takes_persons_for_classes_nor_names_them(
    persons: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    other = draw_heads(tmp_path / "other", {"all": None}, each=2)
    places = {"DATA": str(persons), "OTHER": str(other), "RUN": str(tmp_path / "run")}
    if "MODEL" in words:
        places["MODEL"] = str(request.getfixturevalue("screening_run"))
    for place, path in places.items():
        words = tuple(word.replace(place, path) for word in words)
    monkeypatch.chdir(tmp_path)
    result = call(app, *words)
    assert is_wrong_usage(result, QUESTION), result.output
    written = [path for path in tmp_path.rglob("*") if path.is_file() and persons not in path.parents]
    told = result.output + "".join(path.read_text(errors="replace") for path in written)
    assert not any(name.lower() in told.lower() for name in (*PERSONS, "Beispiel", "Doe"))


def test_a_comparison_asks_once_before_the_first_cell(
    persons: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("shared.processes.jobs.WarmProcesses.run", lambda *_, **__: pytest.fail("a cell was begun"))
    (tmp_path / "plan.yaml").write_text(
        f"""
name: plan
base: {{data: {{source: '{persons}'}}}}
backbones:
  small: {{backbone: {{name: convnet_small, weights: random, size: 32, layers: [block2]}}}}
  large: {{backbone: {{name: convnet_small, weights: random, size: 64, layers: [block2]}}}}
strategies: {{frozen: {{strategy: {{name: linear_probe}}}}}}
seeds: [0, 1]
""",
        encoding="utf-8",
    )
    result = call(app, "compare", "plan.yaml")
    assert is_wrong_usage(result, QUESTION), result.output
    assert not [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]


def test_audit_says_that_training_would_refuse_unknown_classes_and_names_no_person(
    persons: Path, tmp_path: Path
) -> None:
    result = call(app, "audit", persons, "--out", tmp_path / "out")
    assert result.exit_code == 3
    assert "training would refuse: data has 3 classes" in result.output
    assert not any(name in result.output for name in PERSONS)


def test_a_class_that_is_told_is_trained_as_what_it_is_and_the_report_says_so(heads: Path, tmp_path: Path) -> None:
    words = ("train", f"data.source={heads}", BACKBONE, FINETUNE, "data.split.how=drawn", "--out", tmp_path / "run")
    asked = call(app, *words)
    assert is_wrong_usage(
        asked, "'non_tumor' (nearest: no_tumour). Say what each is, for example data.classes.non_tumor="
    )
    assert not (tmp_path / "run").exists()
    told = call(app, *words, "data.classes.Non-Tumor=healthy")
    assert told.exit_code == 0, told.output
    record = read_json(tmp_path / "run" / "model.json")
    assert (record["classes"], record["positive"]) == (["no_tumour", "tumour"], [False, True])
    note = "12 images of 'Non-Tumor' were read as healthy, as data.classes says."
    assert note in read_json(tmp_path / "run" / "report.json")["notes"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("data.classes={non_tumor: no_tumour, pred: x}", "data.classes: 'x' is no known class"),
        (
            "data.classes={non_tumor: no_tumour, pred: leave_out}",
            "data.classes.pred: the data have no such folder or label, so it does nothing",
        ),
        ("data.classes.non_tumor=helthy", "data.classes: 'helthy' is no known class"),
        ("data.classes.non_tumor=no", "put them in quotes"),
        ("data.classes.non_tumor=leave_out", "at least two classes are needed"),
        ("data.classes.non_tumor=glioma", "no class to learn from is known to be without tumour"),
    ],
)
def test_what_cannot_be_meant_is_refused(heads: Path, tmp_path: Path, word: str, said: str) -> None:
    result = call(app, "train", f"data.source={heads}", BACKBONE, FINETUNE, word, "--out", tmp_path / "run")
    assert result.exit_code == (1 if "at least two" in said else 2)
    assert said in result.stderr
    assert not (tmp_path / "run").exists()


def test_evaluate_is_told_of_its_own_data(heads: Path, screening_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(screening_run, tmp_path / "kept")  # the run keeps what it was tested on
    words = ("evaluate", run, heads, "--out", tmp_path / "out")
    assert is_wrong_usage(call(app, *words), "'non_tumor' (nearest: no_tumour)")
    told = call(app, *words[:3], "data.classes.non_tumor=no_tumour", *words[3:])
    assert told.exit_code == 0, told.output
    assert read_json(tmp_path / "out" / "evaluation.json")["coverage"]["assessed"] == 24
    assert is_wrong_usage(call(app, *words[:3], "seed=1"), "no such setting can be given here")


@pytest.mark.parametrize(
    ("folders", "words", "said"),
    [
        ({"no": 6}, (), "all 6 samples to learn from are of class no_tumour"),
        ({"glioma": 6, "meningioma": 6}, (), "no class to learn from is known to be without tumour"),
        ({"no": 6, "yes": 2}, (), "class tumour has no sample in test: its 2 samples form 2 groups"),
        ({"no": 6, "yes": 6, "pred": 2}, (), "1 class that is not known: 'pred' (nearest: leave_out)"),
        ({"no": 6, "yes": 6, "pred": 2}, ("data.classes.pred=leave_out",), None),
        ({"no": 6, "yes": 6}, (), None),
    ],
)
def test_audit_ends_with_3_wherever_training_would_refuse(
    tmp_path: Path, folders: dict[str, int], words: tuple[str, ...], said: str | None
) -> None:
    for seed, (name, each) in enumerate(folders.items()):
        draw_heads(tmp_path / "data", {name: None if name == "no" else (9, 12, 4)}, each, seed)
    audit = call(app, "audit", tmp_path / "data", *words)
    train = call(
        app, "train", f"data.source={tmp_path / 'data'}", BACKBONE, FINETUNE, *words, "--out", tmp_path / "run"
    )
    assert (audit.exit_code == 3, train.exit_code != 0) == (said is not None,) * 2, audit.output + train.output
    if said is not None:
        assert f"training would refuse: {said}" in audit.output or said in audit.output
        assert said in train.stderr
