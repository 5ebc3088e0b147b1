"""ONNX Runtime over a finished run, held against the torch network it came from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from handwriting.task import TASK
from medtl.task import TASK as MEDTL
from shared.errors import RunError, UsageError
from shared.evaluation.decision.aggregation import Aggregation
from shared.io.atomic import read_json, write_json
from shared.models.backbones.build import build_backbone
from shared.models.network import Calibrated, Network, feature_width
from shared.models.restore import load_trained
from shared.prediction.answer import CAUTION, UNDECIDED, Answer, SliceAnswer
from shared.prediction.predictor import Predictor
from shared.prediction.text import answer_text
from shared.runs.certificate import restated
from shared.runs.folder import finish
from shared.runs.outside_tests import add_outside_test, kept_of
from shared.runs.record import read_model_record
from shared.runs.seen import Seen
from shared.samples import NOT_STATED, UNKNOWN_DOMAIN, Position
from shared.task import Item
from tests.shared.runs.test_certificate import record_of

KEYS = {"input", "status", "reason", "label", "probabilities", "threshold", "certified_sensitivity", "slices"}
LEFT_OUT = (
    *(
        "torch",
        "torchvision",
        "monai",
        "accelerate",
        "albumentations",
        "captum",
        "sklearn",
        "safetensors",
        "matplotlib",
    ),
    *("jinja2", "onnx", "onnxscript", "fontTools", "highdicom", "pynetdicom"),  # of the extras
    "scipy",  # of the core, but half a second
)
WITHOUT_TORCH = """
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from {task}.task import TASK
from shared.prediction.predictor import Predictor
{body}
print(sorted(set({left_out}) & set(sys.modules)))
"""
JUDGE = """
predictor = Predictor(Path(sys.argv[1]), TASK.name, TASK.preprocess)
assert [predictor.assess(item).status for item in TASK.read_inputs([Path(sys.argv[2])])] == ["assessed"] * 16
"""
READ_AND_PREPROCESS = """
from shared.task import Preprocessing
(item,) = TASK.read_inputs([Path(sys.argv[2])])
assert TASK.preprocess(item.slices[0], Preprocessing(32, 1, TASK.default_options)).shape == (1, 32, 32)
"""


@pytest.fixture
def predictor(tiny_run: Path) -> Predictor:
    return Predictor(tiny_run, TASK.name, TASK.preprocess)


@pytest.fixture
def pictures(characters: Path) -> list[np.ndarray]:
    return [item.slices[0] for item in TASK.read_inputs([characters])]


@pytest.fixture
def broken(tiny_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_run, tmp_path / "run")


@pytest.fixture
def network(tiny_run: Path) -> Calibrated:
    """What `model.safetensors` holds, rebuilt from `model.json` alone."""
    record = read_model_record(tiny_run)
    name, layers, pooling = (record.backbone[key] for key in ("name", "layers", "pooling"))
    backbone = build_backbone(name, layers=layers, seed=99)
    width = feature_width(backbone, layers, pooling, record.preprocessing.channels, record.preprocessing.size)
    rebuilt = Network(backbone, layers, pooling, width, len(record.classes))
    rebuilt.load_state_dict(load_file(tiny_run / "model.safetensors"))
    return Calibrated(rebuilt).eval()


def _probabilities(predictor: Predictor, pictures: Sequence[np.ndarray]) -> np.ndarray:
    spec = predictor.record.preprocessing
    return predictor.judge([predictor.preprocess(pixels, spec) for pixels in pictures])[0]


@pytest.mark.parametrize("count", [1, 16, 17, 48])
def test_onnx_and_torch_give_the_same_probabilities(
    predictor: Predictor, network: Calibrated, pictures: list[np.ndarray], count: int
) -> None:
    spec = predictor.record.preprocessing
    batch = torch.from_numpy(np.stack([TASK.preprocess(pixels, spec) for pixels in pictures[:count]]))
    with torch.inference_mode():
        expected = network(batch)[0].numpy()
    given = _probabilities(predictor, pictures[:count])
    assert given.shape == (count, 3)
    assert given.dtype == np.float64
    np.testing.assert_allclose(given, expected, atol=1e-4)
    np.testing.assert_allclose(given.sum(axis=1), 1, atol=1e-5)


def test_the_answers_are_those_the_run_was_trained_for(predictor: Predictor, characters: Path) -> None:
    answers = [predictor.assess(item) for item in TASK.read_inputs([characters / "digit_0"])]
    assert np.mean([answer.label == "digit_0" for answer in answers]) > 0.7


@pytest.mark.parametrize(("task", "body"), [("handwriting", JUDGE), ("medtl", READ_AND_PREPROCESS)])
def test_prediction_never_imports_torch(tiny_run: Path, characters: Path, tmp_path: Path, task: str, body: str) -> None:
    picture = characters / "digit_0"
    if task == "medtl":
        y, x = np.mgrid[-1:1:64j, -1:1:64j]
        picture = tmp_path / "head.png"
        Image.fromarray((np.hypot(x, y) < 0.8).astype(np.uint8) * 180).save(picture)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            WITHOUT_TORCH.format(task=task, body=body, left_out=LEFT_OUT),
            str(tiny_run),
            str(picture),
        ],
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["model.onnx", "report.json", "model.json", "features.npz"])
def test_a_changed_byte_is_refused(broken: Path, name: str) -> None:
    content = bytearray((broken / name).read_bytes())
    content[len(content) // 2] ^= 1
    (broken / name).write_bytes(content)
    with pytest.raises(RunError, match=f"{name} is missing or was changed after training"):
        Predictor(broken, TASK.name, TASK.preprocess)


@pytest.mark.parametrize(
    ("name", "said"),
    [("done", "not finished"), ("model.onnx", "missing"), ("features.npz", "missing"), ("model.json", "missing")],
)
def test_a_run_that_lacks_a_file_is_refused(broken: Path, name: str, said: str) -> None:
    (broken / name).unlink()
    with pytest.raises(UsageError if name == "done" else RunError, match=said):
        Predictor(broken, TASK.name, TASK.preprocess)


def test_what_answers_do_not_need_is_not_opened(broken: Path) -> None:
    (broken / "model.safetensors").unlink()
    Predictor(broken, TASK.name, TASK.preprocess)
    with pytest.raises(RunError, match=r"model\.safetensors is missing"):
        load_trained(broken)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"task": "handwriting", "files": {}}'],
)
def test_a_seal_that_vouches_for_nothing_is_refused(broken: Path, content: str) -> None:
    (broken / "done").write_text(content)
    (broken / "model.onnx").write_bytes(b"anything")
    with pytest.raises(RunError):
        Predictor(broken, TASK.name, TASK.preprocess)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run folder"):
        Predictor(tmp_path / "nowhere", TASK.name, TASK.preprocess)


def test_a_run_of_another_application_is_refused(tiny_run: Path) -> None:
    with pytest.raises(UsageError, match="is a run of handwriting; `medtl` cannot use it"):
        Predictor(tiny_run, "medtl", TASK.preprocess)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (Item("a.png", refusal="is damaged"), "is damaged"),
        (Item("a.png"), "holds no image"),
        (Item("a.png", slices=(np.ones((20, 20), np.float32),)), "blank"),
        (Item("a.png", slices=(np.full((20, 20), np.nan, np.float32),)), "not finite"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_its_reason(predictor: Predictor, item: Item, reason: str) -> None:
    answer = predictor.assess(item)
    assert (answer.input, answer.status, answer.label, answer.probabilities) == ("a.png", "refused", None, None)
    assert reason in str(answer.reason)


def test_no_probability_is_made_of_numbers_that_are_not_finite(
    predictor: Predictor, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "judge", lambda _: (np.full((1, 3), np.nan), np.zeros(1)))
    answer = predictor.assess(Item("a.png", slices=pictures[:1]))
    assert (answer.status, answer.reason) == ("refused", "the network gave no finite probability")


def test_what_is_unlike_the_training_images_is_not_assessed(predictor: Predictor, pictures: list[np.ndarray]) -> None:
    stripes = np.tile(np.array([[0.0, 255.0], [255.0, 0.0]], np.float32), (16, 16))
    answer = predictor.assess(Item("stripes.png", slices=(stripes,)))
    assert answer.status == "not assessed"
    assert "is unlike the images that the model was trained on" in str(answer.reason)
    assert answer.ood_score is not None
    assert answer.ood_threshold is not None
    assert answer.ood_score > answer.ood_threshold
    # the raw scores are there, without any decision, and the answer says what they are worth
    assert (answer.decision, answer.certified_sensitivity, answer.caution) == (None, None, CAUTION)
    assert [one.decision for one in answer.slices] == [None]
    assert answer.probabilities == answer.slices[0].probabilities
    assert sum(answer.probabilities.values()) == pytest.approx(1.0)
    assert answer.label == max(answer.probabilities, key=answer.probabilities.__getitem__)
    tree = answer.to_json(TASK)
    assert tree["caution"] == "not assessed: the scores are raw and not to be relied on; a human must look"
    assert tree["top"][0]["label"] == answer.label
    # the threshold was taken from validation images: nearly all like ones pass
    told = [predictor.assess(Item("a.png", slices=pictures[i : i + 1])) for i in range(len(pictures))]
    assert np.mean([one.status == "assessed" for one in told]) > 0.9


def test_strange_slices_in_a_series_are_told_and_do_not_decide_alone(
    predictor: Predictor, pictures: list[np.ndarray]
) -> None:
    stripes = np.tile(np.array([[0.0, 255.0], [255.0, 0.0]], np.float32), (16, 16))
    answer = predictor.assess(Item("series", slices=(stripes, *pictures[:3])))
    assert answer.status == "assessed"
    assert "1 of 4 slices (~) are unlike the images that the model was trained on" in answer.notes
    strange = [one.ood_score > (answer.ood_threshold or 0.0) for one in answer.slices]
    assert strange == [True, False, False, False]
    assert predictor.assess(Item("series", slices=(stripes, stripes, *pictures[:1]))).status == "not assessed"


def test_a_series_is_answered_slice_by_slice_and_as_a_whole(predictor: Predictor, pictures: list[np.ndarray]) -> None:
    answer = predictor.assess(Item("series", slices=pictures[::8], notes=("a gap",)))
    assert [one.number for one in answer.slices] == [1, 2, 3, 4, 5, 6]
    assert answer.notes[0] == "a gap"
    for one in (answer, *answer.slices):
        assert one.probabilities is not None
        assert sum(one.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert one.label == max(one.probabilities, key=lambda name: one.probabilities[name])


def test_an_answer_is_plain_json_with_the_promised_keys(predictor: Predictor, pictures: list[np.ndarray]) -> None:
    tree = json.loads(json.dumps(predictor.assess(Item("a.png", slices=pictures[:1])).to_json(TASK), allow_nan=False))
    assert set(tree) >= KEYS
    assert not any("probability" in key for node in (tree, *tree["slices"]) for key in node)
    assert tree["threshold"] == predictor.record.threshold
    said = {"ka": "क ka", "digit_0": "० 0", "digit_1": "१ 1"}
    assert {one["label"]: one["said"] for one in tree["top"]} == said
    assert [one["probability"] for one in tree["top"]] == sorted(tree["probabilities"].values(), reverse=True)
    assert tree["top"][0]["label"] == tree["label"]


def test_at_most_five_classes_are_told_and_none_of_what_was_refused() -> None:
    shares = {"ka": 0.1, "kha": 0.4, "ga": 0.05, "gha": 0.15, "kna": 0.2, "cha": 0.1}
    told = Answer("a.png", "run", "assessed", probabilities=shares).likeliest()
    assert told == [("kha", 0.4), ("kna", 0.2), ("gha", 0.15), ("ka", 0.1), ("cha", 0.1)]
    assert Answer("a.png", "run", "refused", "is blank").to_json(TASK)["top"] == []


def test_an_answer_below_the_threshold_is_rejected(predictor: Predictor, pictures: list[np.ndarray]) -> None:
    item = Item("series", slices=pictures[:3])
    rows = _probabilities(predictor, item.slices)
    whole = rows.mean(axis=0).max()
    for threshold, decision in ((whole, "accepted"), (np.nextafter(whole, 2.0), "rejected")):
        predictor.record = replace(predictor.record, threshold=float(threshold))
        answer = predictor.assess(item)
        assert (answer.status, answer.decision, answer.threshold) == ("assessed", decision, threshold)
        assert [one.decision == "accepted" for one in answer.slices] == (rows.max(axis=1) >= threshold).tolist()


def test_the_positive_event_goes_by_its_own_name() -> None:
    one = SliceAnswer(1, "glioma", {"glioma": 0.9, "healthy": 0.1}, 0.9, "positive", 0.1)
    tree = Answer("a.dcm", "run", "assessed", positive_probability=0.9, slices=(one,)).to_json(MEDTL)
    assert tree["tumour_probability"] == tree["slices"][0]["tumour_probability"] == 0.9
    assert "positive_probability" not in json.dumps(tree)
    assert "top" not in tree


AXIAL = {"plane": {"texts": ["axial"], "range": None, "unstated": False}}


def _screening(predictor: Predictor, lengths: tuple[int, int], domains: tuple[str, ...]) -> Predictor:
    """The same network, as if one of its classes must not be missed."""
    predictor.record = replace(
        predictor.record,
        positive=(False, False, True),
        threshold=0.5,
        operating_point={"lengths": list(lengths), "domains": list(domains), "acquisition": AXIAL},
        certified_sensitivity=0.9,
        domains=domains,
        acquisition=AXIAL,
        negative_series={
            "properties": ["plane"],
            "name": "healthy",
            "judged": [_kind("axial", 3, 12), _kind("axial", 2, 2)],
        },
    )
    return predictor


def _kind(plane: str, low: int, high: int) -> dict[str, object]:
    return {"kind": {"plane": plane}, "series": 3, "remainders": 0, "lengths": [low, high]}


@pytest.mark.parametrize(
    ("count", "lengths", "domains", "said"),
    [
        (1, (1, 1), ("mars",), ""),
        (6, (4, 9), ("mars",), ""),
        (2, (4, 9), ("mars",), ""),
        (18, (4, 9), ("mars",), ""),
        (1, (1, 5), ("mars",), ""),
        (1, (2, 9), ("mars",), "inputs of 2 to 9 image(s) and does not hold for one of 1"),
        (2, (1, 1), ("mars",), "inputs of 1 image(s) and does not hold for one of 2"),
        (19, (4, 9), ("mars",), "does not hold for one of 19"),
        (6, (4, 9), ("moon",), "certified for moon and does not hold for mars"),
    ],
)
def test_a_certificate_is_shown_only_for_what_it_was_counted_on(
    predictor: Predictor,
    pictures: list[np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    lengths: tuple[int, int],
    domains: tuple[str, ...],
    said: str,
) -> None:
    item = Item("scan", slices=pictures[:count], domains=("mars",), acquisition={"plane": "axial"})
    monkeypatch.setattr(predictor, "seen", Seen.none(predictor.record.copy_rule))
    answer = _screening(predictor, lengths, domains).assess(item)
    assert answer.certified_sensitivity == (None if said else 0.9)
    assert any(said in note for note in answer.notes) if said else not answer.notes


@pytest.mark.parametrize("origins", [("mars",), ("mars", UNKNOWN_DOMAIN)])
def test_an_input_of_unknown_origin_has_no_certificate_even_where_validation_is_of_unknown_origin(
    predictor: Predictor, pictures: list[np.ndarray], origins: tuple[str, ...]
) -> None:
    item = Item("scan", slices=pictures[:1], domains=("mars", UNKNOWN_DOMAIN), acquisition={"plane": "axial"})
    answer = _screening(predictor, (1, 1), origins).assess(item)
    assert (answer.certified_sensitivity, answer.chosen_among) == (None, None)
    assert "the origin of the input is not known, so that no sensitivity is certified for it" in answer.notes


def test_what_an_input_does_not_state_takes_the_certificate_away(
    predictor: Predictor, pictures: list[np.ndarray]
) -> None:
    acquired = {"plane": "axial", "body part": NOT_STATED, "contrast": NOT_STATED}
    item = Item("scan", slices=pictures[:1], domains=("mars",), acquisition=acquired)
    answer = _screening(predictor, (1, 1), ("mars",)).assess(item)
    assert answer.certified_sensitivity is None
    doubt = "no sensitivity is certified for an input that does not state its body part and contrast"
    assert doubt in answer.notes


def test_what_an_input_does_not_state_is_said_in_one_note(predictor: Predictor, pictures: list[np.ndarray]) -> None:
    model = _screening(predictor, (1, 1), ("mars",))
    model.record = replace(model.record, acquisition=AXIAL | {"contrast": AXIAL["plane"]})
    answer = model.assess(Item("scan", slices=pictures[:1], acquisition={"contrast": NOT_STATED}))
    assert "the input does not state its contrast and plane; the training images do" in answer.notes


@pytest.mark.parametrize(("acquired", "found"), [({"plane": "coronal"}, "coronal")])
def test_a_plane_that_the_model_never_saw_is_said_and_takes_the_certificate_away(
    predictor: Predictor, pictures: list[np.ndarray], acquired: dict[str, str | float], found: str
) -> None:
    item = Item("scan", slices=pictures[:1], domains=("mars",), acquisition=acquired)
    answer = _screening(predictor, (1, 1), ("mars",)).assess(item)
    assert (answer.certified_sensitivity, answer.acquisition) == (None, acquired)
    assert f"the plane is {found}; the model was trained on images where it is axial" in answer.notes
    assert f"the sensitivity was certified where the plane is axial, and does not hold for {found}" in answer.notes


def test_a_choice_among_other_runs_weakens_the_certificate_of_an_answer(tmp_path: Path, tiny_run: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    plain = record_of(read_model_record(run), 5)
    write_json(run / "model.json", replace(plain, positive=(False, False, True)).to_json())
    finish(run, TASK.name)
    found = [Predictor(run, TASK.name, TASK.preprocess, chosen_among=count).record for count in (1, 5, 300)]
    assert found[0] == found[1]
    assert found[0].certified_sensitivity == plain.certified_sensitivity
    assert found[2].certified_sensitivity == restated(plain, 300).certified_sensitivity < plain.certified_sensitivity


def test_the_probability_of_the_event_is_that_of_evaluation_to_the_last_bit(
    predictor: Predictor, pictures: list[np.ndarray]
) -> None:
    screening = _screening(predictor, (1, 9), ("mars",))
    for count in (1, 5):
        answer = screening.assess(Item("scan", slices=pictures[:count]))
        raw = _probabilities(screening, pictures[:count])[:, 2]
        assert answer.positive_probability == screening.record.aggregation.probability(raw)


def test_what_the_model_was_trained_on_is_said(predictor: Predictor, pictures: list[np.ndarray]) -> None:
    answers = [predictor.assess(Item("scan", slices=pictures[i : i + 1])) for i in range(len(pictures))]
    note = "1 of 1 image(s) are copies of images in training or validation of this model (1 near)"
    seen = [note in answer.notes for answer in answers]
    assert 0.5 < np.mean(seen) < 1.0


@pytest.mark.parametrize(
    ("trained", "given", "status"),
    [(True, True, "assessed"), (True, False, "not assessed"), (False, False, "assessed")],
)
def test_a_model_of_synthetic_images_decides_on_no_image_that_is_not_known_to_be_synthetic(
    predictor: Predictor, pictures: list[np.ndarray], trained: bool, given: bool, status: str
) -> None:
    predictor.record = replace(predictor.record, synthetic=trained)
    answer = predictor.assess(Item("a.png", slices=pictures[:1], synthetic=given))
    assert answer.status == status
    assert (answer.decision is None) == (status == "not assessed")
    assert ("is not known to be synthetic" in str(answer.reason)) == (status == "not assessed")


def test_every_answer_says_what_the_model_is_fit_for(predictor: Predictor, pictures: list[np.ndarray]) -> None:
    items = (Item("a.png", slices=pictures[:1]), Item("b.png", refusal="is damaged"))
    for item in items:
        answer = predictor.assess(item)
        assert answer.verdict == predictor.verdict
        assert "outside test: none" in answer.to_json(TASK)["verdict"]


def test_a_series_says_its_rule_and_a_single_image_has_none(predictor: Predictor, pictures: list[np.ndarray]) -> None:
    screening = _screening(predictor, (1, 9), ("mars",))
    rule = "highest mean of neighbouring slices"
    assert screening.assess(Item("scan", slices=pictures[:4])).series_rule == rule
    assert screening.assess(Item("scan", slices=pictures[:1])).series_rule is None


def _undecided(predictor: Predictor, slices: list[np.ndarray], plane: str) -> Answer:
    return predictor.assess(Item("scan", slices=slices, domains=("mars",), acquisition={"plane": plane}))


def test_a_series_of_a_kind_without_a_negative_one_is_not_decided(
    predictor: Predictor, pictures: list[np.ndarray]
) -> None:
    screening = _screening(predictor, (1, 9), ("mars",))
    answer = _undecided(screening, pictures[:4], "sagittal")
    assert (answer.status, answer.decision, answer.caution) == ("not decided", None, UNDECIDED)
    assert answer.reason == "no healthy series of this kind was in validation (sagittal, 4 slices)"
    assert answer.certified_sensitivity is None
    assert 0.0 < (answer.positive_probability or 0.0) < 1.0
    assert {one.decision for one in answer.slices} <= {"positive", "negative"}
    assert _undecided(screening, pictures[:4], "axial").status == "assessed"
    assert _undecided(screening, pictures[:1], "sagittal").status == "assessed"


def test_a_series_of_a_length_without_a_negative_one_is_not_decided(
    predictor: Predictor, pictures: list[np.ndarray]
) -> None:
    screening = _screening(predictor, (1, 9), ("mars",))
    long = (pictures * 25)[:25]
    answer = _undecided(screening, long, "axial")
    assert answer.reason is not None
    assert answer.reason.endswith("(axial, 25 slices; there they had 3 to 12 slices, 2 slices)")
    assert _undecided(screening, long[:24], "axial").status == "assessed"
    screening.record = replace(
        screening.record, negative_series={"properties": ["plane"], "name": "healthy", "judged": []}
    )
    assert _undecided(screening, long[:4], "axial").status == "not decided"


def test_a_slice_that_is_there_several_times_is_no_longer_series(
    predictor: Predictor, pictures: list[np.ndarray]
) -> None:
    screening = _screening(predictor, (1, 9), ("mars",))
    once = [Position(5.0 * i) for i in range(3)]

    def judged(times: int) -> Answer:
        slices, positions = (
            [one for one in pictures[:3] for _ in range(times)],
            [at for at in once for _ in range(times)],
        )
        item = Item(
            "scan", slices=slices, positions=tuple(positions), domains=("mars",), acquisition={"plane": "axial"}
        )
        return screening.assess(item)

    one, many = judged(1), judged(9)
    assert (many.status, many.decision) == (one.status, one.decision)
    assert many.positive_probability == pytest.approx(one.positive_probability, abs=1e-6)
    assert many.certified_sensitivity == one.certified_sensitivity
    alone = Item("scan", slices=pictures[:1] * 9, positions=(Position(2.0),) * 9, acquisition={"plane": "sagittal"})
    assert screening.assess(alone).status == "assessed"


def test_the_length_of_a_series_is_its_extent_where_that_is_known(
    predictor: Predictor, pictures: list[np.ndarray]
) -> None:
    screening = _screening(predictor, (4, 9), ("mars",))
    ranges = {"lengths": [4, 9], "extents_mm": [20.0, 45.0]}
    judged = [{"kind": {"plane": "axial"}, "series": 3, "remainders": 0, **ranges}]
    screening.record = replace(
        screening.record,
        negative_series={"properties": ["plane"], "name": "healthy", "judged": judged},
        operating_point={**(screening.record.operating_point or {}), **ranges},
    )

    def answered(spacing: float | None) -> Answer:
        positions = () if spacing is None else tuple(Position(spacing * i) for i in range(30))
        slices, acquired = (pictures * 30)[:30], {"plane": "axial"}
        return screening.assess(
            Item("scan", slices=slices, positions=positions, domains=("mars",), acquisition=acquired)
        )

    thin = answered(1.5)
    assert (thin.status, thin.certified_sensitivity) == ("assessed", 0.9)
    assert answered(None).status == answered(5.0).status == "not decided"
    screening.record = replace(
        screening.record,
        operating_point={**ranges, "domains": ["mars"], "acquisition": AXIAL, "extents_mm": [100.0, 120.0]},
    )
    doubtful = answered(1.5)
    assert doubtful.certified_sensitivity is None
    assert any("inputs of 100 to 120 mm and does not hold for one of 45" in note for note in doubtful.notes)


def test_a_series_that_does_not_state_its_plane_may_have_any_of_training(
    predictor: Predictor, pictures: list[np.ndarray]
) -> None:
    screening = _screening(predictor, (1, 9), ("mars",))
    item = Item("scan", slices=pictures[:4], domains=("mars",))
    assert screening.assess(item).status == "assessed"
    seen = {"plane": {"texts": ["axial", "sagittal"], "range": None, "unstated": True}}
    screening.record = replace(screening.record, acquisition=seen)
    answer = screening.assess(item)
    assert answer.status == "not decided"
    assert answer.reason == (
        "plane is not stated, and no healthy series of this kind and length was in validation of: sagittal "
        "(plane not stated, 4 slices)"
    )


def test_a_test_on_other_data_lets_a_kind_be_decided(
    screening_run: Path, tmp_path: Path, pictures: list[np.ndarray]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(screening_run, run)
    acquired = {"contrast": "T1", "plane": "axial"}
    item = Item("scan", slices=pictures[:4], synthetic=True, acquisition=acquired)

    def status() -> str:
        found = Predictor(run, MEDTL.name, MEDTL.preprocess)
        found.record = replace(found.record, ood={"threshold": 2.0})
        return found.assess(item).status

    assert status() == "not decided"
    kind = {"kind": {"contrast": "T1", "plane": "axial"}, "series": 3, "remainders": 0, "lengths": [4, 4]}
    test = read_json(run / "report.json")["test"]
    add_outside_test(run, "hash", {"data": "more", "negative_series": [kind], "test": kept_of(test)})
    assert status() == "assessed"


def test_the_text_of_a_series_that_is_not_decided_shows_score_and_slices(
    predictor: Predictor, pictures: list[np.ndarray]
) -> None:
    answer = _undecided(_screening(predictor, (1, 9), ("mars",)), pictures[:4], "sagittal")
    first, score, *rest = answer_text(answer, MEDTL).splitlines()
    assert first.startswith("scan: not decided, a human must look: no healthy series of this kind")
    assert score.startswith("  tumour score of the series 0.")
    assert "no decision" in score
    assert "4 slices alone would be positive" in score
    assert "(+ where positive)" in rest[0]


def test_a_positive_slice_in_a_negative_series_is_told_first(
    predictor: Predictor, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    screening = _screening(predictor, (1, 9), ("mars",))
    item = Item("scan", slices=pictures[:6], notes=("a gap",), domains=("mars",), acquisition={"plane": "axial"})

    def judged(scores: Sequence[float]) -> Answer:
        rows = np.array([[1.0 - score, 0.0, score] for score in scores])
        monkeypatch.setattr(screening, "judge", lambda _: (rows, np.zeros(len(rows))))
        return screening.assess(item)

    screening.record = replace(screening.record, aggregation=Aggregation(("mean",)))
    few = judged((0.1, 0.1, 0.7, 0.1, 0.6, 0.1))
    assert few.decision == "negative"
    assert few.notes[0] == (
        "POSITIVE SLICE IN A NEGATIVE SERIES: alone, 2 of 6 slices would be positive (number 3, 5); the series is "
        "negative by its rule (mean of all slices)"
    )
    for clear in (judged((0.9,) * 6), judged((0.1,) * 6)):
        assert clear.notes[0] == "a gap"
