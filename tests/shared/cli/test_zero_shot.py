"""The command `zero-shot` of both applications."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from handwriting.cli import app as characters_app
from medtl.cli import app as tumours_app
from shared.io.atomic import read_json
from tests.shared.cli.calling import call, is_wrong_usage
from tests.shared.cli.heads import BACKBONE


def test_medtl_says_what_becomes_of_an_unseen_tumour(heads: Path) -> None:
    words = ("zero-shot", f"data.source={heads}", BACKBONE, "--unseen", "pituitary", "--methods", "dap,eszsl")
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
def test_handwriting_draws_unseen_classes(draw_characters, tmp_path: Path) -> None:
    names = ("character_1_ka", "digit_0", "digit_1", "digit_2", "digit_7")
    data = draw_characters(tmp_path / "data", each=12, names=names)
    words = (
        "zero-shot",
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
    words = ("zero-shot", f"data.source={data / 'manifest.csv'}", BACKBONE, "--methods", "eszsl")
    result = call(characters_app, *words, "--unseen", "vowel_1,vowel_2")
    assert result.exit_code == 0, result.output
    assert "chance 0.500" in result.stdout
    refused = call(characters_app, *words, "--unseen", "vowel_1")
    assert refused.exit_code == 1
    assert "class vowel_2 has no sample in train" in refused.stderr


@pytest.mark.usefixtures("fonts")
def test_handwriting_features_are_those_of_a_finished_run(tiny_run: Path, draw_characters, tmp_path: Path) -> None:
    names = ("character_1_ka", "digit_0", "digit_1", "vowel_1", "vowel_2")
    data = draw_characters(tmp_path / "data", each=12, seed=4, names=names)
    words = ("zero-shot", f"data.source={data}", "--model", tiny_run, "--methods", "eszsl", "--out", "zs")
    result = call(characters_app, *words, "--unseen", "अ,vowel_2")  # any spelling
    assert result.exit_code == 0, result.output
    tree = read_json(Path("zs/zero_shot.json"))
    assert [entry["unseen"] for entry in tree["splits"]] == [["vowel_1", "vowel_2"]]
    assert f"the run {tiny_run.name}" in tree["notes"][-1]
    refused = call(characters_app, *words, "--unseen", "क")
    assert is_wrong_usage(refused, f"the run {tiny_run.name} learnt ka")
    drawn = call(characters_app, *words, "--draw", 2, "--seeds", 1)
    assert drawn.exit_code == 0, drawn.output
    assert [entry["unseen"] for entry in read_json(Path("zs/zero_shot.json"))["splits"]] == [["vowel_1", "vowel_2"]]
    assert "2 classes of the data may be unseen" in call(characters_app, *words, "--draw", 3).stderr
    other = call(tumours_app, "zero-shot", "--model", tiny_run, "--unseen", "glioma")
    assert is_wrong_usage(other, "is a run of handwriting")


def test_medtl_features_are_those_of_a_finished_run(heads: Path, screening_run: Path) -> None:
    words = ("zero-shot", f"data.source={heads}", "--model", screening_run, "--methods", "dap", "--out", "zs")
    result = call(tumours_app, *words, "--unseen", "meningioma")
    assert result.exit_code == 0, result.output
    tree = read_json(Path("zs/zero_shot.json"))
    seen = re.search(r"It has seen (\d+) of (\d+) test images", tree["notes"][-1])
    assert seen
    assert 0 < int(seen[1]) < int(seen[2])  # its division was another
    assert is_wrong_usage(
        call(tumours_app, *words, "--unseen", "glioma"), "learnt glioma, which therefore cannot be unseen"
    )
    carried = call(
        tumours_app,
        "zero-shot",
        f"data.source={heads}",
        f"backbone={{name: convnet_small, weights: {screening_run}, size: 32, layers: [block2]}}",
        "--unseen",
        "glioma",
    )
    assert is_wrong_usage(carried, "learnt glioma")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give --unseen with names, or --draw"),
        (("--unseen", "pituitary", "--draw", "1"), "one of them"),
        (("--unseen", "pituitary", "--model", "run"), "--model and the configuration's backbone both say"),
        (("--unseen", "pituitary", "--methods", "prototypes"), "prototypes cannot be used here"),
        (("--unseen", "kidney"), "no class kidney in the data"),
        (("--unseen", "pituitary,glioma,meningioma"), "at least 2 must"),
    ],
)
def test_a_wrong_call_is_wrong_usage(heads: Path, words: tuple[str, ...], said: str) -> None:
    Path("run").mkdir()
    result = call(tumours_app, "zero-shot", f"data.source={heads}", BACKBONE, *words)
    assert said in result.stderr.splitlines()[-1]
    assert result.exit_code == 2
    assert "Traceback" not in result.output
