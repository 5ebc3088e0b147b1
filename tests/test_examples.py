"""The programs in `examples/`, executed small; their reports speak of their own domain and of no other."""

from __future__ import annotations

import html
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

EXAMPLES = Path(__file__).parents[1] / "examples"
FOREIGN = re.compile(
    r"patient|tumou?r|\bMRI?\b|scanner|dicom|brain|pulse sequence|radiolog|hospital|disease|slices?\b|\bseries\b"
    r"|devanagari|handwriting|\bwriters?\b|monai",
    re.IGNORECASE,
)


def example(name: str) -> ModuleType:
    (path,) = (EXAMPLES / name).glob("*.py")
    spec = importlib.util.spec_from_file_location(f"examples_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _packages_of_these_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests before these have loaded packages that a program in a process of its own does not load."""
    monkeypatch.setattr("shared.pipeline.finish.PACKAGES", ("torch",))


def words_of(page: Path) -> str:
    text = re.sub(r"<(style|script).*?</\1>|=\"data:[^\"]*\"", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", text))


def own_words(folder: Path) -> None:
    pages = [*folder.rglob("*.html"), *folder.rglob("model_card.md")]
    assert pages
    foreign = {(page.name, match[0]) for page in pages for match in FOREIGN.finditer(words_of(page))}
    assert not foreign


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_and_has_a_page_with_its_command(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 200
    readme = (path.parent / "README.md").read_text(encoding="utf-8")
    assert f"python examples/{path.parent.name}/{path.name}" in readme
    assert len(readme.splitlines()) <= 50


def test_vectors_are_trained_and_predicted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example("wine").main(["--out", str(tmp_path), "--epochs", "20", "--seeds", "0"])
    own_words(tmp_path)
    said = capsys.readouterr().out
    assert float(said.split()[0]) > 0.8
    assert said.count("new.npz#") == 2
    assert not FOREIGN.search(said)


@pytest.mark.slow
def test_pictures_are_trained_compared_adapted_and_predicted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--out", str(tmp_path), "--images", "400", "--epochs", "6", "--seeds", "1"]
    example("digits").main(arguments)
    own_words(tmp_path)
    said = capsys.readouterr().out
    assert "frozen_random" in said
    assert "trained on target labels" in said
    assert not FOREIGN.search(said)


@pytest.mark.slow
def test_word_counts_are_adapted_in_every_pair(tmp_path: Path) -> None:
    table = example("sentiment_dann").main(["--out", str(tmp_path), "--pair", "alpha-beta", "--seeds", "1"])
    own_words(tmp_path)
    row = dict(
        zip(*([cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[::2]), strict=True)
    )
    assert row["pair"] == "alpha to beta"
    assert list(row) == ["pair", "source only", "reverse validation", "label-free", "oracle", "SVM", "logistic"]
    assert all(0.6 < float(row[column]) < 1.0 for column in list(row)[1:])


def test_stances_are_told_of_topics_that_training_never_saw(tmp_path: Path) -> None:
    stance = example("stance_fnc1")
    pairs, _ = stance.read(stance.generate(tmp_path / "generated.zip"))
    topics = stance.topics(pairs)
    sides = {
        split: {topic for topic, one in zip(topics, pairs, strict=True) if one["split"] == split}
        for split in ("train", "test")
    }
    assert not sides["train"] & sides["test"]
    table = stance.main(["--out", str(tmp_path), "--encoder", "words", "--seeds", "1", "--epochs", "150"])
    own_words(tmp_path)
    found = {line.split("|")[1].strip(): float(line.split("|")[2].split()[0]) for line in table.splitlines()[2:8]}
    assert list(found) == ["score", "macro F1", "F1 agree", "F1 disagree", "F1 discuss", "F1 unrelated"]
    assert found["score"] > 0.8


@pytest.mark.slow
def test_an_encoder_is_read_from_a_local_folder_in_the_layout_of_the_hub(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("sentence_transformers")
    folder, letters = tmp_path / "bert", "abcdefghijklmnopqrstuvwxyz"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    transformers.BertModel(transformers.BertConfig(vocab_size=len(words), **sizes)).save_pretrained(folder)
    options = ["--encoder", str(folder), "--seeds", "1", "--epochs", "2"]
    assert "macro F1" in example("stance_fnc1").main(["--out", str(tmp_path / "made"), *options])


def test_the_score_of_stances_is_that_of_the_challenge() -> None:
    stance = example("stance_fnc1")
    perfect, all_unrelated, all_discussed = np.diag([10.0, 5, 5, 80]), np.zeros((4, 4)), np.zeros((4, 4))
    all_unrelated[:, 3] = all_discussed[:, 2] = [10, 5, 5, 80]
    found = stance.measures(np.stack([perfect, all_unrelated, all_discussed]))
    assert found[0].tolist() == [1] * 6
    assert found[1, 0] == 0.25 * 80 / (20 + 0.25 * 80)
    assert found[2].tolist() == [(5 + 0.25 * 15) / 40, 10 / 105 / 4, 0, 0, 10 / 105, 0]


def test_descriptors_find_classes_that_training_never_saw(tmp_path: Path) -> None:
    descriptors = example("descriptors")
    source, target = descriptors.generate()
    division = descriptors.divide(source, target, seed=0)
    asked, kept = division.queries, division.gallery
    trained = {*division.source.classes, *division.target.classes}
    assert len(trained) == 5
    assert not trained & {*asked.classes, *kept.classes}
    assert not {*division.target.writers} & {*asked.writers, *kept.writers}
    assert not {*asked.writers} & {*kept.writers}
    table = descriptors.main(["--out", str(tmp_path), "--seeds", "1", "--steps", "40"])
    found = {row.split(" | ")[0].strip("| "): row.split(" | ")[3].split()[0] for row in table.splitlines()[2:]}
    ways = ["pixels", "source only", "source, statistics of the target", "DANN 0.1", "DANN 1", "on the target"]
    assert list(found) == ways
    assert all(0.2 < float(value) < 1.0 for value in found.values())


def test_matching_is_whole_where_queries_lie_on_their_class() -> None:
    descriptors = example("descriptors")
    classes = np.arange(6)
    images = torch.zeros(6, 1, descriptors.SIDE, descriptors.SIDE)
    images[classes, 0, classes, 0] = 1.0
    exact = descriptors.Pictures(images, classes, classes)
    pixels = torch.nn.Flatten()
    turned = exact._replace(classes=np.roll(classes, 1))
    assert (descriptors.found(pixels, descriptors.Division(exact, exact, exact, exact)) == 1).all()
    wrong = descriptors.found(pixels, descriptors.Division(exact, exact, exact, turned))
    assert (wrong[:, 0] == 0).all()
    assert (wrong[:, 2] < 1).all()
