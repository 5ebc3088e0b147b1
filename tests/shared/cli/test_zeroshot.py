"""The commands `zeroshot` and `add-class` of both applications, called as a person calls them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from handwriting.cli import app as characters_app
from medtl.cli import app as tumours_app
from shared.io.atomic import read_json
from shared.prediction.predictor import Predictor
from shared.runs.record import read_model_record

RUNNER = CliRunner()
BACKBONE = "backbone={name: convnet_small, weights: random, size: 32, layers: [block2], pooling: avg_2x2}"
FINETUNE = (
    "strategy={name: finetune, augmentation: none, batch_size: 8, phases: [{epochs: 8, train: all, lr_head: 0.01, "
    "lr_backbone: 0.003}]}"
)
PLACES = {"no_tumor": None, "glioma": (9, 12, 4), "meningioma": (24, 9, 3), "pituitary": (16, 23, 2)}
"""Row, column and radius of the bright disc that stands for a tumour."""


def call(app: object, *words: str | Path) -> Result:
    return RUNNER.invoke(app, [str(word) for word in words])  # type: ignore[arg-type]


def is_one_line(result: Result, said: str) -> bool:
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    return result.exit_code == 2 and len(lines) == 1 and lines[0].startswith("error: ") and said in lines[0]


def draw_heads(root: Path, places: dict[str, tuple[int, int, int] | None], each: int, seed: int = 0) -> Path:
    """PNGs by class: a grey oval with or without a disc, noisy, so that none is a copy."""
    random, (rows, columns) = np.random.default_rng(seed), np.mgrid[:32, :32]
    for name, place in places.items():
        (root / name).mkdir(parents=True)
        for index in range(each):
            pixels = 90.0 * ((rows - 16) ** 2 / 196 + (columns - 16) ** 2 / 144 < 1) + random.normal(0, 9, (32, 32))
            if place is not None:
                row, column = (value + random.integers(-2, 3) for value in place[:2])
                pixels[(rows - row) ** 2 + (columns - column) ** 2 <= place[2] ** 2] = 230
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(root / name / f"{index:03d}.png")
    return root


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_heads(tmp_path_factory.mktemp("heads") / "data", PLACES, each=14)


@pytest.fixture(scope="module")
def trained_heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that knows no pituitary tumour, of images of which some stand in `heads` too."""
    root = tmp_path_factory.mktemp("trained")
    places = {name: place for name, place in PLACES.items() if name != "pituitary"}
    words = (f"data.source={draw_heads(root / 'data', places, each=14)}", "data.split.how=drawn", "seed=5")
    run = root / "run"
    trained = call(tumours_app, "train", *words, BACKBONE, FINETUNE.replace("epochs: 8", "epochs: 1"), "--out", run)
    assert trained.exit_code == 0, trained.output
    return run


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands look for runs below the working directory."""
    monkeypatch.chdir(tmp_path)


def test_medtl_zeroshot_tells_what_becomes_of_an_unseen_tumour(heads: Path) -> None:
    words = ("zeroshot", f"data.source={heads}", BACKBONE, "--unseen", "pituitary", "--methods", "dap,eszsl")
    result = call(tumours_app, *words, "--seeds", 2, "--out", "zs")
    assert result.exit_code == 0, result.output
    assert "Research use only" in result.stdout
    assert "2 trials, mean and standard deviation; chance" in result.stdout
    assert "unseen called negative" in result.stdout
    tree = read_json(Path("zs/zero_shot.json"))
    assert [entry["unseen"] for entry in tree["splits"]] == [["pituitary"]] * 2
    one, two = (entry["methods"]["eszsl"] for entry in tree["splits"])
    assert one["shift"] != two["shift"]  # the data were divided anew
    assert Path("zs/zero_shot.html").is_file()


@pytest.mark.usefixtures("fonts")
def test_handwriting_zeroshot_draws_unseen_classes(draw_characters, tmp_path: Path) -> None:
    names = ("character_1_ka", "digit_0", "digit_1", "digit_2", "digit_7")
    data = draw_characters(tmp_path / "data", each=12, names=names)
    words = (
        "zeroshot",
        f"data.source={data}",
        BACKBONE,
        "--draw",
        2,
        "--seeds",
        2,
        "--methods",
        "eszsl",
        "--out",
        "zs",
    )
    result = call(characters_app, *words)
    assert result.exit_code == 0, result.output
    tree = read_json(Path("zs/zero_shot.json"))
    assert len({tuple(entry["unseen"]) for entry in tree["splits"]}) == 2
    assert tree["chance"] == 0.5
    assert re.search(r"eszsl, an image of (क ka|[०१२७] \d) taken for ", result.stdout)  # what decided, in words
    page = Path("zs/zero_shot.html").read_text(encoding="utf-8")
    assert all(", ".join(tree["said"][name] for name in entry["unseen"]) in page for entry in tree["splits"])


@pytest.mark.usefixtures("fonts")
def test_an_unseen_class_may_stand_in_the_test_alone(draw_characters, tmp_path: Path) -> None:
    names = ("character_1_ka", "digit_0", "digit_1", "vowel_1", "vowel_2")
    data = draw_characters(tmp_path / "data", each=10, names=names)
    rows = [
        f"{path.relative_to(data)},{path.parent.name},{'test' if number < 3 or path.parent.name > 'v' else 'train'}"
        for folder in sorted(data.iterdir())
        for number, path in enumerate(sorted(folder.iterdir()))
    ]
    (data / "manifest.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
    words = ("zeroshot", f"data.source={data / 'manifest.csv'}", BACKBONE, "--methods", "eszsl")
    result = call(characters_app, *words, "--unseen", "vowel_1,vowel_2")
    assert result.exit_code == 0, result.output
    assert "chance 0.500" in result.stdout
    refused = call(characters_app, *words, "--unseen", "vowel_1")
    assert refused.exit_code == 1
    assert "class vowel_2 has no sample in train" in refused.stderr


@pytest.mark.usefixtures("fonts")
def test_handwriting_codes_are_those_of_a_finished_run(tiny_run: Path, draw_characters, tmp_path: Path) -> None:
    names = ("character_1_ka", "digit_0", "digit_1", "vowel_1", "vowel_2")
    data = draw_characters(tmp_path / "data", each=12, seed=4, names=names)
    words = ("zeroshot", f"data.source={data}", "--model", tiny_run, "--methods", "eszsl", "--out", "zs")
    result = call(characters_app, *words, "--unseen", "अ,vowel_2")  # any spelling
    assert result.exit_code == 0, result.output
    tree = read_json(Path("zs/zero_shot.json"))
    assert [entry["unseen"] for entry in tree["splits"]] == [["vowel_1", "vowel_2"]]
    assert f"the run {tiny_run.name}" in tree["notes"][-1]
    refused = call(characters_app, *words, "--unseen", "क")
    assert is_one_line(refused, f"the run {tiny_run.name} learnt ka")
    drawn = call(characters_app, *words, "--draw", 2, "--seeds", 1)
    assert drawn.exit_code == 0, drawn.output
    assert [entry["unseen"] for entry in read_json(Path("zs/zero_shot.json"))["splits"]] == [["vowel_1", "vowel_2"]]
    assert "2 classes of the data may be unseen" in call(characters_app, *words, "--draw", 3).stderr
    other = call(tumours_app, "zeroshot", "--model", tiny_run, "--unseen", "glioma")
    assert is_one_line(other, "is a run of handwriting")


def test_medtl_codes_are_those_of_a_finished_run(heads: Path, trained_heads: Path) -> None:
    words = ("zeroshot", f"data.source={heads}", "--model", trained_heads, "--methods", "dap", "--out", "zs")
    result = call(tumours_app, *words, "--unseen", "pituitary")
    assert result.exit_code == 0, result.output
    tree = read_json(Path("zs/zero_shot.json"))
    seen = re.search(r"It has seen (\d+) of (\d+) test images", tree["notes"][-1])
    assert seen
    assert 0 < int(seen[1]) < int(seen[2])  # its division was another
    assert is_one_line(call(tumours_app, *words, "--unseen", "glioma"), "learnt glioma, which can then not be unseen")
    carried = call(
        tumours_app,
        "zeroshot",
        f"data.source={heads}",
        f"backbone={{name: convnet_small, weights: {trained_heads}, size: 32, layers: [block2]}}",
        "--unseen",
        "glioma",
    )
    assert is_one_line(carried, "learnt glioma")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give --unseen with names, or --draw"),
        (("--unseen", "pituitary", "--draw", "1"), "one of them"),
        (("--unseen", "pituitary", "--methods", "prototypes"), "prototypes cannot be used here"),
        (("--unseen", "kidney"), "no class kidney in the data"),
        (("--unseen", "pituitary,glioma,meningioma"), "at least 2 must"),
    ],
)
def test_a_wrong_call_is_one_line(heads: Path, words: tuple[str, ...], said: str) -> None:
    result = call(tumours_app, "zeroshot", f"data.source={heads}", BACKBONE, *words)
    assert said in result.stderr.splitlines()[-1]
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_character_is_added_and_its_run_serves_as_any_other(
    tiny_run: Path, characters: Path, draw_characters, tmp_path: Path
) -> None:
    names = ("character_1_ka", "digit_0", "digit_1", "digit_7")
    data = draw_characters(tmp_path / "data", each=24, seed=5, names=names)
    for path in (data / "digit_7").iterdir():  # no stroke but a filled square
        random, at = np.random.default_rng(int(path.stem)), int(path.stem) % 5
        pixels = random.integers(0, 20, (32, 32))
        pixels[6 + at : 20 + at, 8 : 20 + at] = random.integers(180, 256, (14, 12 + at))
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    examples, rest = sorted((data / "digit_7").iterdir())[:6], sorted((data / "digit_7").iterdir())[6:]
    before = {path.name: path.read_bytes() for path in tiny_run.iterdir()}
    added = call(characters_app, "add-class", "७", *examples, "--model", tiny_run, "--out", "more")
    assert added.exit_code == 0, added.output
    assert "Nothing is certified" in added.stdout
    assert {path.name: path.read_bytes() for path in tiny_run.iterdir()} == before
    record = read_model_record(Path("more"))
    assert record.classes == ("ka", "digit_0", "digit_1", "digit_7")
    assert record.certified_error is None

    judged = call(characters_app, "predict", *rest, "--model", "more", "--json")
    labels = [json.loads(line)["label"] for line in judged.stdout.splitlines()]
    assert np.mean([label == "digit_7" for label in labels]) > 0.8
    kept = call(characters_app, "evaluate", "more", data)
    assert kept.exit_code == 0, kept.output
    assert re.search(r"^6 of 96 images stood in training", kept.stdout, re.MULTILINE), kept.stdout  # the examples
    told = call(characters_app, "report", "more")
    assert told.exit_code == 0
    assert "was added from 6 example(s)" in told.stdout
    assert "७" in Path("more/report.html").read_text(encoding="utf-8")
    assert Path("more/model_card.md").is_file()
    own = call(characters_app, "evaluate", "more")
    assert own.exit_code == 0
    assert "Its own test was not judged again" in own.stdout
    compared = call(characters_app, "evaluate", "more", "--versus", tiny_run)
    assert compared.exit_code == 1
    assert "has no predictions of a test" in compared.stderr
    explained = call(characters_app, "explain", rest[0], "--model", "more", "--no-checks", "--out", "maps")
    assert explained.exit_code in (0, 4), explained.output
    assert list(Path("maps").glob("*.png"))


def test_what_add_class_cannot_do_is_one_line(tiny_run: Path, characters: Path) -> None:
    image = characters / "digit_0" / "000.png"

    def said(name: str, path: Path, out: str) -> Result:
        return call(characters_app, "add-class", name, path, "--model", tiny_run, "--out", out)

    assert is_one_line(said("क", image, "new"), "knows the class ka already")
    assert is_one_line(said(" ", image, "new"), "empty name")
    Path("there").mkdir()
    assert is_one_line(said("kha", image, "there"), "there exists")
    Path("broken.png").write_bytes(b"no picture")
    assert is_one_line(said("kha", Path("broken.png"), "new"), "give examples that can be judged")
    assert not Path("new").exists()
    other = call(tumours_app, "add-class", "glioma", image, "--model", tiny_run, "--out", "new")
    assert other.exit_code == 2
    assert "is a run of handwriting" in other.stderr


@pytest.mark.usefixtures("quick_ending")
def test_an_unknown_finding_that_is_added_counts_as_tumour(heads: Path, tmp_path: Path, monkeypatch) -> None:
    trained = call(tumours_app, "train", f"data.source={heads}", BACKBONE, FINETUNE, "--out", "run")
    assert trained.exit_code == 0, trained.output
    monkeypatch.undo()  # the new run is exported in truth
    monkeypatch.chdir(tmp_path)
    data = draw_heads(tmp_path / "more", {"craniopharyngioma": (25, 16, 5)}, each=12, seed=3)
    examples = sorted((data / "craniopharyngioma").iterdir())
    words = ("--model", "run", "--out", "new")
    added = call(tumours_app, "add-class", "Craniopharyngioma", *examples[:5], *words)
    assert added.exit_code == 0, added.output
    assert "Research use only" in call(tumours_app, "report", "new").stdout
    record = read_model_record(Path("new"))
    assert record.classes[-1] == "craniopharyngioma"
    assert record.positive == (False, True, True, True, True)
    assert record.certified_sensitivity is None
    assert record.operating_point is not None
    assert "a class was added" in record.operating_point["statement"]
    known = call(tumours_app, "add-class", "Pituitary Adenoma", examples[0], "--model", "run", "--out", "again")
    assert is_one_line(known, "knows the class pituitary already")
    answers = [
        Predictor(Path("new"), "medtl", _task().preprocess).assess(item) for item in _task().read_inputs(examples[5:])
    ]
    assert np.mean([answer.label == "craniopharyngioma" for answer in answers]) > 0.5


def _task():
    from medtl.task import TASK

    return TASK
