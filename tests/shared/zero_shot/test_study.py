"""A study: controls, tumours predicted as healthy, refusals, and the results in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handwriting.task import TASK as CHARACTERS
from medtl.side_information import table
from medtl.task import TASK as TUMOURS
from shared.errors import UsageError
from shared.zero_shot.features import SideInformation, StudyData
from shared.zero_shot.protocol import ClassSemantics, FeatureSet
from shared.zero_shot.report import write_study
from shared.zero_shot.study import describe_study, draw_classes, parse_methods, study

CLASSES = ("no_tumour", "glioma", "meningioma", "pituitary", "metastasis")


def coded(seed: int, each: int = 25) -> FeatureSet:
    mix = np.random.default_rng(7).normal(size=(len(table().names), 24))
    labels = np.repeat(np.arange(len(CLASSES)), each)
    noise = np.random.default_rng(seed).normal(0, 0.5, (len(labels), 24))
    return FeatureSet((table().signatures(CLASSES)[labels] @ mix * 2 + noise).astype(np.float32), labels)


def gathered() -> StudyData:
    splits = {name: coded(seed) for seed, name in enumerate(("train", "validation", "test"))}
    return StudyData(CLASSES, splits, ClassSemantics.from_table(CLASSES, table(), None), ("a note",), synthetic=True)


def scrambled(part: FeatureSet, unseen: list[int]) -> FeatureSet:
    """The labels of unseen images exchanged among themselves."""
    labels = part.labels.copy()
    rows = np.isin(labels, unseen)
    labels[rows] = np.random.default_rng(0).permutation(labels[rows])
    return FeatureSet(part.features, labels)


def test_labels_of_unseen_images_change_no_chosen_setting() -> None:
    data, unseen = gathered(), ("glioma", "pituitary")
    other = replace(data, splits={name: scrambled(part, [1, 3]) for name, part in data.splits.items()})
    one, two = (
        study(TUMOURS, SideInformation(table()), [(given, unseen)], ["dap", "eszsl"], lambda *_: None)["splits"][0][
            "methods"
        ]
        for given in (data, other)
    )
    for name, found in one.items():
        assert all(found[key] == two[name][key] for key in ("penalty", "shift", "held_out_area"))
        assert found["t1"] != two[name]["t1"]


def test_a_study_reports_unseen_tumours_called_healthy_with_control_and_chance() -> None:
    trials = [(gathered(), ("pituitary",)), (gathered(), ("metastasis",))]
    tree = study(TUMOURS, SideInformation(table()), trials, ["eszsl"], lambda *_: None)
    summary = tree["summary"]["eszsl"]
    assert tree["chance_called_negative"] == pytest.approx(0.2)
    assert summary["area"]["mean"] > summary["random_area"]["mean"]
    lines = list(describe_study(tree))
    assert any("T1, measured among unseen classes, is always 1" in line for line in lines)
    assert any("called negative by chance: 0.200" in line for line in lines)


def test_the_healthy_class_never_stands_for_an_unseen_one() -> None:
    tree = study(TUMOURS, SideInformation(table()), [(gathered(), ("pituitary",))], ["eszsl"], lambda *_: None)
    folds = sorted(tree["splits"][0]["held_out"])
    assert folds == [["glioma"], ["meningioma"], ["metastasis"]]
    assert any("glioma, meningioma, metastasis held out in turn" in line for line in describe_study(tree))
    tree = study(CHARACTERS, SideInformation(table()), [(gathered(), ("pituitary",))], ["eszsl"], lambda *_: None)
    assert ["no_tumour"] in tree["splits"][0]["held_out"]


def test_a_study_that_cannot_be_calibrated_says_so(tmp_path) -> None:
    unseen = ("meningioma", "pituitary", "metastasis")
    tree = study(TUMOURS, SideInformation(table()), [(gathered(), unseen)], ["dap", "eszsl"], lambda *_: None)
    assert {found["shift"] for found in tree["splits"][0]["methods"].values()} == {0.0}
    assert any("not calibrated, for fewer than two seen classes" in line for line in describe_study(tree))
    write_study(tree, TUMOURS, tmp_path)
    page = (tmp_path / "zero_shot.html").read_text(encoding="utf-8")
    assert "not calibrated" in page
    assert "calibrated on held-out" not in page


def test_tumours_that_look_healthy_are_counted_as_called_healthy() -> None:
    data = gathered()
    test = data.splits["test"]
    features = test.features.copy()
    features[test.labels == 3] = features[test.labels == 0]
    hidden = replace(data, splits={**data.splits, "test": FeatureSet(features, test.labels)})
    for given, share in ((data, 0.0), (hidden, 1.0)):
        tree = study(TUMOURS, SideInformation(table()), [(given, ("pituitary",))], ["eszsl"], lambda *_: None)
        assert tree["summary"]["eszsl"]["unseen_called_negative"]["mean"] == pytest.approx(share, abs=0.05)
        found = tree["splits"][0]["methods"]["eszsl"]
        assert found["uncalibrated_called_negative"] >= found["unseen_called_negative"]  # the shift favours unseen ones
        assert 0.0 <= found["false_alarms"] < 0.5
        assert 0.0 <= tree["summary"]["eszsl"]["random_called_negative"]["mean"] <= 1.0


def test_what_cannot_be_studied_is_refused() -> None:
    def refusal(data: StudyData, names: tuple[str, ...]) -> str:
        with pytest.raises(UsageError) as caught:
            study(TUMOURS, SideInformation(table()), [(data, names)], ["eszsl"], lambda *_: None)
        return str(caught.value)

    data = gathered()
    assert "no class kidney in the data" in refusal(data, ("kidney",))
    assert "1 classes have training images; at least 2" in refusal(data, CLASSES[:4])
    lacking = replace(data, splits={**data.splits, "test": data.splits["test"].of_classes([0, 1, 2])})
    assert "the test has no image of pituitary" in refusal(lacking, ("pituitary",))
    alone = replace(data, splits={**data.splits, "test": data.splits["test"].of_classes([3])})
    assert "images of unseen classes only" in refusal(alone, ("pituitary",))


def test_methods_that_need_print_are_offered_only_where_there_is_some() -> None:
    assert parse_methods("all", SideInformation(table())) == ["dap", "eszsl", "ale", "devise"]
    assert parse_methods("dap, devise", SideInformation(table())) == ["dap", "devise"]
    with pytest.raises(UsageError, match="prototypes cannot be used here"):
        parse_methods("dap,prototypes", SideInformation(table()))


def test_no_more_classes_are_drawn_than_there_are() -> None:
    with pytest.raises(UsageError, match="--draw 4: 3 classes"):
        draw_classes("abc", 4, 0)


def test_classes_have_their_display_names_in_text_and_page(tmp_path) -> None:
    labels = ("ka", "kha", "digit_4", "vowel_1", "vowel_2")
    characters = replace(table(), classes=labels)
    facts = ClassSemantics.from_table(labels, characters, None)
    data = replace(gathered(), classes=labels, semantics=facts)
    tree = study(CHARACTERS, SideInformation(characters), [(data, ("ka", "vowel_1"))], ["dap"], lambda *_: None)
    write_study(tree, CHARACTERS, tmp_path)  # the picture draws no character that its font lacks, which would warn
    page = (tmp_path / "zero_shot.html").read_text(encoding="utf-8")
    for text in ("\n".join(describe_study(tree)), page):
        assert "an image of क ka taken for " in text
        assert "vowel_1" not in text
    assert "<li>क ka, अ a</li>" in page
    assert tree["splits"][0]["unseen"] == ["ka", "vowel_1"]


def test_drawn_classes_depend_on_the_seed_alone() -> None:
    draws = {draw_classes("abcdefgh", 3, seed) for seed in range(6)}
    assert len(draws) > 1
    assert all(len(set(one)) == 3 for one in draws)
    assert draw_classes("abcdefgh", 3, 1) == draw_classes("abcdefgh", 3, 1)


def test_the_report_stands_alone_and_names_what_decided(tmp_path) -> None:
    tree = study(TUMOURS, SideInformation(table()), [(gathered(), ("glioma", "pituitary"))], ["eszsl"], lambda *_: None)
    write_study(tree, TUMOURS, tmp_path)
    page = (tmp_path / "zero_shot.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in page
    assert "http" not in page
    assert "Research use only" in page
    assert "Synthetic data" in page
    assert "unseen called negative" in page
    assert "a note" in page
    decided = tree["splits"][0]["methods"]["eszsl"]["examples"][0]["attributes"][0]["name"]
    assert decided in page
    assert (tmp_path / "zero_shot.png").read_bytes().startswith(b"\x89PNG")


def test_characters_have_no_class_that_must_not_be_missed() -> None:
    tree = study(CHARACTERS, SideInformation(table()), [(gathered(), ("pituitary",))], ["eszsl"], lambda *_: None)
    assert tree["chance_called_negative"] is None
    assert "unseen_called_negative" not in tree["summary"]["eszsl"]
