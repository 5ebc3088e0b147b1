"""What the commands do with a model that comes with the package."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from handwriting.cli import app
from medtl.cli import app as tumours
from shared.runs.folder import is_released
from shared.runs.named import released_root
from shared.runs.verdict import read_verdict
from tests.shared.cli.calling import call, is_wrong_usage

MODEL = "devanagari"


def _content(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def test_it_answers_where_no_run_is_and_every_answer_says_so(with_released: Path, characters: Path) -> None:
    picture = characters / "digit_0" / "000.png"
    answered = call(app, "predict", picture)
    assert answered.exit_code == 0, answered.output
    first, _, third = answered.stdout.splitlines()[:3]
    assert first == f"model: {MODEL} (no run is under runs/; another by --model RUN)"
    assert third.startswith("comes with the package, trained 20")
    assert "characters (dhcd)" in third
    tree = json.loads(call(app, "predict", picture, "--json").stdout)
    assert tree["model"] == MODEL
    assert tree["provenance"]["released"] is True
    assert tree["provenance"]["finished"].startswith("20")
    assert tree["provenance"]["data"] == ["characters"]
    assert any("image(s) are copies of images in training" in note for note in tree["notes"])


def test_any_run_at_all_ends_that(with_released: Path, tiny_run: Path, characters: Path) -> None:
    picture = characters / "digit_0" / "000.png"
    shutil.copytree(tiny_run, "runs/own")
    assert call(app, "predict", picture).stdout.startswith("model: runs/own (the only finished run")
    assert is_wrong_usage(call(app, "serve"), "no model is chosen, and runs/ holds 1 finished handwriting run: own")
    Path("runs/own/done").unlink()
    said = f"(1 unfinished or damaged: `handwriting models`); handwriting comes with {MODEL}: choose one by"
    assert is_wrong_usage(call(app, "predict", picture), said)
    assert call(app, "predict", picture, "--model", MODEL).stdout.startswith(f"model: {MODEL}\n")


def test_it_is_chosen_by_its_name_and_found_again(with_released: Path, tiny_run: Path, characters: Path) -> None:
    shutil.copytree(tiny_run, "runs/own")
    used = call(app, "use", MODEL)
    assert used.exit_code == 0, used.output
    assert used.stdout.splitlines()[0] == f"default of handwriting: {MODEL}"
    assert "comes with the package, trained" in used.stdout
    assert str(with_released) not in Path("runs/handwriting.default").read_text()
    answered = call(app, "predict", characters / "digit_0" / "000.png")
    assert answered.stdout.startswith(f"model: {MODEL} (the default; another by --model RUN)\n")
    listed = call(app, "models").stdout.splitlines()
    assert listed[0] == f"* {MODEL} (default)"
    assert listed[5] == "  own"


def test_models_lists_it_first_with_size_purpose_and_licences(with_released: Path, tiny_run: Path) -> None:
    shutil.copytree(tiny_run, "runs/own")
    lines = call(app, "models").stdout.splitlines()
    assert lines[0] == f"  {MODEL}"
    assert lines[1] == f"    fit for: {read_verdict(with_released).short}"
    assert "convnet_small, " in lines[3]
    assert lines[4].endswith(" MB; licences: The model: Apache-2.0; Drawn characters: CC0")
    assert lines[5] == "  own"


def test_serve_takes_it_and_listen_asks(
    with_released: Path, monkeypatch: pytest.MonkeyPatch, screening_run: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("shared.web.serving.run_server", lambda *_: None)
    served = call(app, "serve", "--port", 0)
    assert served.exit_code == 0, served.output
    assert served.stdout.startswith(f"model: {MODEL} (no run is under runs/; another by --model RUN)\n")
    root = tmp_path / "models"
    shutil.copytree(screening_run, root / "brain-mri")
    (root / "brain-mri" / "released.json").write_text("{}")
    monkeypatch.setattr("shared.runs.named.released_root", lambda _: root)
    said = "medtl comes with brain-mri: choose one by `medtl use NAME`, or name one by --model NAME"
    assert is_wrong_usage(call(tumours, "listen"), said)
    assert not Path("spool").exists()


def test_of_several_none_is_guessed(with_released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "models"
    for name in ("a", "b"):
        shutil.copytree(with_released, root / name)
    monkeypatch.setattr("shared.runs.named.released_root", lambda _: root)
    assert is_wrong_usage(call(app, "predict", "x.png"), "handwriting comes with a, b: choose one by")


def test_evaluating_it_writes_nothing_into_it(
    with_released: Path, tmp_path: Path, draw_characters: object, characters: Path
) -> None:
    data = draw_characters(tmp_path / "other", each=6, seed=9)  # type: ignore[operator]
    before = _content(with_released)
    evaluated = call(app, "evaluate", MODEL, data)
    assert evaluated.exit_code == 0, evaluated.output
    assert "Not kept: the model comes with the package, which is read-only." in evaluated.stdout
    assert "identical ones alone are recognised" in evaluated.stdout
    assert "none of 48 images is left" not in call(app, "evaluate", MODEL, characters).stderr  # its test is left
    assert call(app, "report", MODEL).stdout.splitlines()[-1] == f"model card: {with_released / 'model_card.md'}"
    assert _content(with_released) == before


def test_its_answers_are_explained(with_released: Path, characters: Path) -> None:
    found = call(app, "explain", characters / "digit_0" / "000.png", "--no-checks")
    assert found.exit_code == 0, found.output
    assert list(Path("explained").glob("*.png"))


def test_a_class_is_added_to_it_in_a_new_run(with_released: Path, characters: Path) -> None:
    pictures = [characters / "digit_1" / f"00{number}.png" for number in range(5)]
    added = call(app, "add-class", "vowel_1", *pictures, "--model", MODEL, "--out", "runs/more")
    assert added.exit_code == 0, added.output
    assert not is_released(Path("runs/more"))
    answered = call(app, "predict", pictures[0], "--model", "more", "--json")
    assert json.loads(answered.stdout)["provenance"]["released"] is False


def test_pack_writes_into_the_package_and_says_what_changed(
    tiny_run: Path, characters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "package" / "models"
    monkeypatch.setattr("shared.runs.named.released_root", lambda _: root)
    licences = tmp_path / "licences.txt"
    words = ("pack", tiny_run, "small", "--licences", licences, "--images", characters)
    assert is_wrong_usage(call(app, *words), "licences.txt is no file; name a text file")
    licences.write_text("\n")
    assert is_wrong_usage(call(app, *words), "licences.txt is empty; name a text file with the licences")
    licences.write_bytes(b"\xff\xfe\x00")
    assert is_wrong_usage(call(app, *words), "is not text in UTF-8")
    licences.write_text("The model: CC0\n\n")
    measured = tmp_path / "measured.md"
    words = (*words, "--measured", measured)
    assert is_wrong_usage(call(app, *words), "measured.md is no file; name a text file with what was measured")
    measured.write_text("Of a hundred other pages it reads 0.97.\n")
    assert is_wrong_usage(call(app, *words[:2], "../small", *words[3:]), "'../small' is no name for a model but a path")
    assert not (root.parent / "small").exists()
    packed = call(app, *words)
    assert packed.exit_code == 0, packed.output
    assert f"{root / 'small'}: 0." in packed.stdout
    assert "largest difference from the run on 48 images" in packed.stdout
    _, _, section = (root / "small" / "model_card.md").read_text().partition("\n## Measured apart from the run\n\n")
    assert section.startswith("Of a hundred other pages it reads 0.97.\n\n## Licences\n")
    assert call(app, "predict", characters / "digit_0" / "000.png").stdout.startswith("model: small (no run is under")


def test_a_package_without_models_has_none() -> None:
    assert released_root("no_such_application") is None
    found = released_root("handwriting")
    assert found is not None
    assert found.parts[-2:] == ("handwriting", "models")
