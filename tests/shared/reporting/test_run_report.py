"""What a person reads of a run: it must say what the numbers say, stand alone, and tell nobody's path."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from handwriting.task import TASK, HandwritingTask
from shared.data.descriptors import CopyRule
from shared.data.split import Split
from shared.evaluation.abstention import abstention
from shared.evaluation.cases import Rule, UsageContext
from shared.evaluation.decision.aggregation import Aggregation
from shared.evaluation.decision.ood_threshold import choose_rule
from shared.evaluation.evaluate import evaluate
from shared.evaluation.finding_size import FindingSize
from shared.evaluation.missed import missed
from shared.evaluation.text import measure_text, published_line
from shared.io.atomic import read_json
from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width
from shared.reporting.finished import Finished
from shared.reporting.model_card import UNKNOWN, UNKNOWN_FIELDS
from shared.reporting.run_report import _weights_facts, write_report
from shared.runs.record import ModelRecord
from shared.samples import Grouping, Sample
from shared.task import Preprocessing

SPEC = Preprocessing(32)
CLASSES = ("healthy", "<b>lesion</b>")
THRESHOLD = 0.7
"""So high that some lesions of the test lie below it."""


class Links(HTMLParser):
    """Everything a browser would fetch or run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]


class Screening(HandwritingTask):
    """A task with an event that must not be missed, and masks."""

    name = "screening"
    title = "Lesions & others"
    group_name = "patient"
    positive_name = "lesion"
    disclaimers = ("For tests only.",)

    def is_positive(self, label: str) -> bool:
        return label != "healthy"

    def read_mask(self, sample: Sample, spec: Preprocessing) -> Any:
        mask = np.zeros((spec.size, spec.size), dtype=bool)
        mask[8:16, 8:16] = sample.label != "healthy"
        return mask


def _part(count: int, seed: int) -> Split:
    random = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 2
    samples = [
        Sample(f"{seed}-{i}", f"/home/someone/scan-{i}.png", CLASSES[labels[i]], group=f"g{i // 2}", domain="mars")
        for i in range(count)
    ]
    grouping = Grouping.of(samples, [i // 2 for i in range(count)])
    return Split(samples, list(random.random((count, 1, 32, 32), dtype=np.float32)), labels, grouping)


def _finished(**changes: Any) -> Finished:
    backbone = build_backbone("convnet_small", layers=("block1",), seed=0)
    network = Network(
        backbone, ("block1",), "avg_1x1", feature_width(backbone, ("block1",), "avg_1x1", 1, 32), 2
    ).eval()
    splits = {"train": _part(10, 1), "validation": _part(8, 2), "test": _part(12, 3)}
    probabilities, results = {}, {}
    for name in ("validation", "test"):
        split = splits[name]
        lesion = np.clip(0.3 + 0.4 * split.labels + np.random.default_rng(4).normal(0, 0.2, len(split.labels)), 0, 1)
        probabilities[name] = np.stack([1 - lesion, lesion], axis=1)
        results[name] = evaluate(
            probabilities[name],
            split.labels,
            Rule(CLASSES, (False, True), THRESHOLD),
            grouping=split.grouping,
            domains=[sample.domain for sample in split.samples],
        )
    record = ModelRecord(
        task="screening",
        classes=CLASSES,
        positive=(False, True),
        preprocessing=SPEC,
        threshold=THRESHOLD,
        operating_point={
            "threshold": THRESHOLD,
            "target": 0.98,
            "unit": "sample",
            "statement": "1 misses in 4 certify 0.25",
        },
        rejection=None,
        aggregation=Aggregation(),
        certified_sensitivity=None,
        certified_error=None,
        ood=choose_rule(np.linspace(0.01, 0.09, 12), {"no": np.zeros(3), "yes": np.zeros(9)}, np.zeros(9), 0.01)
        | {"threshold": 0.1},
        temperature=1.0,
        backbone={
            "name": "convnet_small",
            "layers": ["block1"],
            "pooling": "avg_1x1",
            "size": 64,
            "weights": {"spec": "random"},
        },
        domains=("mars",),
        acquisition={},
        synthetic=False,
        data_hash="d" * 64,
        weights_hash="e" * 64,
        copy_rule=CopyRule(mirrored=True, altered=True),
    )
    for name in ("validation", "test"):
        split, strange = splits[name], np.linspace(0.0, 0.11, len(splits[name].labels))
        results[name]["abstention"] = abstention(
            probabilities[name], strange, split.labels, split.samples, split.grouping, record
        )
    environment = {"packages": {"numpy": "2"}, "onnx_difference": 1e-7, "device": "cpu", "seconds": 1.0}
    history = [{"epoch": 1, "train_loss": 0.7, "validation_accuracy": 0.5}]
    done = Finished(
        record,
        "seed: 0\n",
        UsageContext(miss_cost=4.0),
        ("3 <i>files</i> left out.",),
        splits,
        probabilities,
        probabilities["test"],
        results,
        history,
        environment,
        network,
        lambda rows: np.zeros((len(rows), 4), dtype=np.int64),
        torch.device("cpu"),
    )
    return replace(done, **changes)


@pytest.fixture
def quick_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without attributions, which are slow: one test here, and every finished run, draws them."""
    monkeypatch.setattr("shared.reporting.run_report.attribution_pictures", lambda *_: [])


def _shown(run: Path) -> str:
    """The words of the page, without its pictures."""
    return unescape(re.sub(r"<style.*?</style>|<[^>]*>", " ", (run / "report.html").read_text(), flags=re.DOTALL))


@pytest.mark.parametrize("name", ["report.html", "model_card.md"])
def test_the_numbers_shown_are_those_of_report_json(tiny_run: Path, name: str) -> None:
    report, text = read_json(tiny_run / "report.json"), (tiny_run / name).read_text(encoding="utf-8")
    for split in ("validation", "test"):
        for measure in ("accuracy", "balanced_accuracy"):
            assert measure_text(report[split][measure]) in text


def test_the_confusion_matrix_is_shown_row_by_row(tiny_run: Path) -> None:
    words = " ".join(_shown(tiny_run).split())
    classes = read_json(tiny_run / "model.json")["classes"]
    for name, row in zip(classes, read_json(tiny_run / "report.json")["test"]["confusion"], strict=True):
        assert f"{TASK.display_name(name)} {' '.join(map(str, row))}" in words


def test_the_page_stands_alone(tiny_run: Path) -> None:
    html = (tiny_run / "report.html").read_text(encoding="utf-8")
    page = Links(html)
    assert page.found
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in page.found)
    assert not page.tags & {"script", "link", "iframe", "object", "embed", "base"}
    assert "@import" not in html
    assert "url(" not in html


@pytest.mark.parametrize("name", ["report.html", "model_card.md"])
def test_what_the_weights_were_trained_on_is_said(tiny_run: Path, name: str) -> None:
    text = _shown(tiny_run) if name == "report.html" else (tiny_run / name).read_text(encoding="utf-8")
    assert "nothing, the weights are random" in text
    assert "pretrained on" in text


def _begun_with(record: ModelRecord, *weights: dict[str, Any]) -> ModelRecord:
    """A record of a network that began with these weights, or of the mean of several, one for each."""
    trunks = [{"weights": one} for one in weights]
    return replace(record, backbone=trunks[0] if len(trunks) == 1 else {"members": trunks})


def test_stages_that_the_weights_do_not_hold_are_said(model_record: ModelRecord) -> None:
    begun = {"spec": "vgg16.pth", "pretrained_on": "ImageNet", "absent": ["fc6", "fc7"]}
    assert _weights_facts(_begun_with(model_record, begun)) == [
        ("weights", "vgg16.pth"),
        ("pretrained on", "ImageNet"),
        ("stages that the weights do not hold", "fc6, fc7"),
    ]
    assert _weights_facts(_begun_with(model_record, {"spec": "random"}))[1] == ("pretrained on", "not recorded")


def test_the_weights_of_each_member_of_a_mean_are_said_once(model_record: ModelRecord) -> None:
    one, other = {"spec": "a.pth", "pretrained_on": "ImageNet"}, {"spec": "b.pth", "pretrained_on": "ImageNet"}
    assert _weights_facts(_begun_with(model_record, one, other)) == [
        ("weights", "a.pth | b.pth"),
        ("pretrained on", "ImageNet"),
    ]


def test_the_page_names_its_caveats_and_its_hashes(tiny_run: Path) -> None:
    words, record = _shown(tiny_run), read_json(tiny_run / "model.json")
    assert "Isolated handwritten characters only" in words
    assert record["data_hash"] in words
    assert record["weights_hash"] in words
    assert "certified error among accepted answers none: nothing is certified" in " ".join(words.split())


def test_a_task_without_a_positive_event_tells_what_is_rejected_and_confused(tiny_run: Path) -> None:
    words, report = " ".join(_shown(tiny_run).split()), read_json(tiny_run / "report.json")
    record = read_json(tiny_run / "model.json")
    assert report["rejection"] == record["rejection"]
    assert record["rejection"]["threshold"] == record["threshold"] == report["test"]["threshold"]
    assert f"accepted from a probability of {record['threshold']:.4f}" in words
    assert record["rejection"]["statement"] in words
    assert record["rejection"]["statement"] in report["summary"]
    for split in ("validation", "test"):
        for measure in ("coverage", "selective_error"):
            assert measure_text(report[split][measure]) in words
        assert report["risk_coverage"][split][-1]["coverage"] == 1.0
    for row in report["classes"]:
        assert f"{row['said']} {row['recall']['successes']} of {row['recall']['n']}" in words
    for pair in report["confused_pairs"]:
        assert f"{pair['truth']['said']} taken for {pair['called']['said']} , {pair['count']} of {pair['of']}" in words


@pytest.mark.usefixtures("quick_sheet")
def test_a_positive_event_is_not_told_of_rejection(tmp_path: Path) -> None:
    write_report(Screening(), tmp_path, _finished())
    assert not {"rejection", "risk_coverage", "classes", "confused_pairs"} & set(read_json(tmp_path / "report.json"))
    assert not re.search("reject|accepted|taken for", _shown(tmp_path))


@pytest.mark.usefixtures("quick_sheet")
def test_no_table_has_a_column_for_each_of_many_classes(tmp_path: Path) -> None:
    names = [f"lesion {i}" for i in range(20)]
    done = _finished()
    test = dict(done.results["test"], confusion=[[i * j for j in range(20)] for i in range(20)])
    record = replace(done.record, classes=tuple(names), positive=(False, *[True] * 19))
    results = dict(done.results, test=test)
    rows = {name: np.pad(rows, ((0, 0), (0, 18))) for name, rows in done.probabilities.items()}
    uncalibrated = rows["test"]
    many = replace(done, record=record, results=results, probabilities=rows, uncalibrated=uncalibrated)
    write_report(Screening(), tmp_path, many)
    words = " ".join(_shown(tmp_path).split())
    assert "test 12 6 0 to 6" in words
    assert 'title="lesion 3 taken for lesion 5">15<' in (tmp_path / "report.html").read_text(encoding="utf-8")
    card = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    assert "| split | images | groups | fewest of a class | most of a class |" in card


def test_a_task_without_a_positive_event_speaks_of_no_sensitivity(tiny_run: Path) -> None:
    assert "sensitivity:" not in " ".join(read_json(tiny_run / "report.json")["summary"])
    assert "ROC" not in _shown(tiny_run)


def test_the_positive_event_has_its_curve_and_its_misses(tmp_path: Path) -> None:
    done = _finished()
    write_report(Screening(), tmp_path, done)
    words, test = _shown(tmp_path), read_json(tmp_path / "report.json")["test"]
    assert "ROC curve with the operating point" in words
    assert test["false_negatives"] > 0
    assert f"{test['false_negatives']} positive images lie below the threshold" in words
    assert "1 misses in 4 certify 0.25" in words
    for measure in ("auc", "average_precision", "sensitivity", "specificity", "false_negatives"):
        assert measure_text(test[measure]) in words
    lines = read_json(tmp_path / "report.json")["summary"]
    assert lines[0] == "For tests only."
    assert f"false negatives: {test['false_negatives']} (validation" in " ".join(lines)


@pytest.mark.usefixtures("quick_sheet")
def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    write_report(Screening(), tmp_path, _finished())
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;lesion&lt;/b&gt;" in html
    assert "3 &lt;i&gt;files" in html
    assert "Lesions &amp; others" in html
    assert not Links(html).tags & {"b", "i"}


@pytest.mark.usefixtures("quick_sheet")
def test_no_sample_is_told_by_path(tmp_path: Path) -> None:
    write_report(Screening(), tmp_path, _finished())
    for path in tmp_path.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "someone" not in text
        assert "scan-" not in text


@pytest.mark.usefixtures("quick_sheet")
@pytest.mark.parametrize("synthetic", [True, False])
def test_synthetic_data_is_named_as_such_everywhere(tmp_path: Path, synthetic: bool) -> None:
    done = _finished()
    write_report(Screening(), tmp_path, replace(done, record=replace(done.record, synthetic=synthetic)))
    for name in ("report.html", "report.json", "model_card.md"):
        assert ("Synthetic data" in (tmp_path / name).read_text(encoding="utf-8")) is synthetic, name


@pytest.mark.usefixtures("quick_sheet")
def test_report_and_card_begin_with_the_verdict(tmp_path: Path) -> None:
    write_report(Screening(), tmp_path, _finished())
    tree = read_json(tmp_path / "report.json")
    assert next(iter(tree)) == "verdict"
    first, _, outside = tree["verdict"]
    assert first.startswith("verdict: few labels: ")
    assert outside == "outside test: none when this was written"
    for name in ("report.html", "model_card.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert 0 < text.index("Verdict: few labels: ") < text.index("For tests only."), name


@pytest.mark.usefixtures("quick_sheet")
def test_the_worst_domain_of_the_test_stands_beside_the_best(tmp_path: Path) -> None:
    done = _finished()
    rate = {"value": 0.9, "low": 0.8, "high": 0.95}
    blocks = {
        name: {"n": 30, "sensitivity": rate, "specificity": {**rate, "value": at}}
        for name, at in (("near", 0.9), ("far", 0.1))
    }
    results = {**done.results, "test": {**done.results["test"], "domains": blocks}}
    write_report(Screening(), tmp_path, replace(done, results=results))
    for name in ("report.html", "model_card.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "worst far: sensitivity 0.90 [0.80, 0.95], specificity 0.10 [0.80, 0.95]; best near: " in text, name


def finished_with_findings(sizes: Sequence[FindingSize | None] = (FindingSize(0.02, 400.0), None) * 6) -> Finished:
    """A finished training whose test has findings of these sizes."""
    done = _finished()
    test, rows = done.splits["test"], done.probabilities["test"]
    done.results["test"]["missed"] = missed(rows, test.labels, test.samples, list(sizes), done.record, test.grouping)
    return done


@pytest.mark.usefixtures("quick_sheet")
@pytest.mark.parametrize(("mm2", "label", "unit"), [(400.0, "all 6", "mm2"), (None, "all 6", "% of the pixels")])
def test_what_is_missed_stands_behind_the_results(tmp_path: Path, mm2: float | None, label: str, unit: str) -> None:
    write_report(Screening(), tmp_path, finished_with_findings([FindingSize(0.02, mm2)] * 12))
    html, words = (tmp_path / "report.html").read_text(encoding="utf-8"), " ".join(_shown(tmp_path).split())
    tree = read_json(tmp_path / "report.json")
    sensitivity = tree["test"]["missed"]["sizes"]["share"][0]["sensitivity"]
    assert sensitivity["n"] == 6
    assert f"area, {unit.replace('mm2', 'mm²')}" in words
    assert f"{label} 6 {measure_text(sensitivity)}" in words  # images, groups, sensitivity
    assert html.index("What is missed, test") < html.index("Data and leaks")
    assert 'alt="Sensitivity against the area of the mask, with intervals"' not in html  # one bin makes no curve
    line = f"sensitivity by area of the mask ({unit}"
    assert any(one.startswith(line) for one in tree["summary"])
    shown = line.capitalize().replace("mm2", "mm²")
    assert f"- {shown}" in (tmp_path / "model_card.md").read_text(encoding="utf-8")
    groups = {name: measure_text(tree[name]["by_group"]["all_images_missed"]) for name in ("validation", "test")}
    assert f"positive, and not one positive image called {groups['test']} {groups['validation']}" in words


@pytest.mark.usefixtures("quick_sheet")
def test_without_masks_groups_are_told_and_no_curve_is_drawn(tmp_path: Path) -> None:
    write_report(Screening(), tmp_path, finished_with_findings([None] * 12))
    words = " ".join(_shown(tmp_path).split())
    assert "What is missed, test" in words
    assert "By size of the finding" not in words
    groups = read_json(tmp_path / "report.json")["test"]["missed"]["groups"]["positive"]
    shown = f"none {groups['none']} under half {groups['under_half']} half or more {groups['half_or_more']}"
    assert "with a positive image: how many of these are called images called" in words
    assert f"{shown} all {groups['all']}" in words


@pytest.mark.usefixtures("quick_sheet")
def test_each_property_has_its_table_and_domains_have_one_elsewhere(tmp_path: Path) -> None:
    done = _finished()
    test, rows = done.splits["test"], done.probabilities["test"]
    samples = [
        replace(sample, domain=f"site {i // 6}", acquisition={"contrast": "T2" if i < 2 else "FLAIR"})
        for i, sample in enumerate(test.samples)
    ]
    done.results["test"]["missed"] = missed(rows, test.labels, samples, [None] * 12, done.record, test.grouping)
    write_report(Screening(), tmp_path, done)
    words = " ".join(_shown(tmp_path).split())
    flair, _ = read_json(tmp_path / "report.json")["test"]["missed"]["properties"]["contrast"]
    assert flair["value"] == "FLAIR"
    assert f"By contrast contrast groups sensitivity specificity FLAIR {flair['groups']} " in words
    assert (
        f"{measure_text(flair['sensitivity'])} of 5 {measure_text(flair['specificity'])} of 5 T2 not defined" in words
    )
    assert "By domain" not in words


def test_a_task_without_a_positive_event_has_no_section_on_what_is_missed(tiny_run: Path) -> None:
    assert "What is missed" not in _shown(tiny_run)
    assert "missed" not in read_json(tiny_run / "report.json")["test"]


@pytest.mark.usefixtures("quick_sheet")
@pytest.mark.parametrize(
    ("split", "heading"),
    [
        ("test", "By domain, test"),
        ("validation", "Each domain by the network that was trained without it (these images chose the threshold)"),
    ],
)
def test_the_table_of_domains_begins_with_the_worst(tmp_path: Path, split: str, heading: str) -> None:
    done = _finished()
    rate = {"value": 0.9, "low": 0.8, "high": 0.95}
    blocks: dict[str, Any] = {
        name: {"n": 30, "auc": {**rate, "value": at}} for name, at in (("first", 0.95), ("second", 0.55))
    }
    blocks["small"] = {"n": None, "reason": "fewer than 5 samples"}
    results = {**done.results, split: {**done.results[split], "domains": blocks}}
    write_report(Screening(), tmp_path, replace(done, results=results, domains_left_out=split == "validation"))
    html, card = ((tmp_path / name).read_text(encoding="utf-8") for name in ("report.html", "model_card.md"))
    order = [html.index(f'<th scope="row">{name}</th>') for name in ("second", "first", "small")]
    assert order == sorted(order)
    assert f">{heading}</h2>" in html
    assert f"- {heading}" in card
    assert "\n| second | 30 | 0.550 [0.800, 0.950] |" in card


def _scored(name: str, ood: Callable[[Any], Any]) -> Finished:
    """A finished training with these out-of-distribution scores, by label, of one split."""
    done = _finished()
    split, rows = done.splits[name], done.probabilities[name]
    done.results[name]["abstention"] = abstention(
        rows, ood(split.labels), split.labels, split.samples, split.grouping, done.record
    )
    return done


@pytest.mark.usefixtures("quick_sheet")
def test_a_report_begins_with_the_warning_that_tumours_are_not_assessed(tmp_path: Path) -> None:
    write_report(Screening(), tmp_path, _scored("test", lambda labels: labels * 1.0))
    warning = "Test: WARNING: inputs with a lesion go without an assessment more often than others"
    page, card = _shown(tmp_path), (tmp_path / "model_card.md").read_text(encoding="utf-8")
    assert page.index(warning) < page.index("Results")
    assert warning in card
    assert any(line.startswith(warning) for line in read_json(tmp_path / "report.json")["summary"])
    words = " ".join(page.split())
    for row in ("healthy 6 0 0.000 [0.000, ", f"{CLASSES[1]} 6 6 1.000 ["):
        assert row in words
    assert f"| {CLASSES[1]} | 6 | 6 | 1.000 [" in card
    assert "so that at most 1.0% of inputs like them are not assessed" in words


@pytest.mark.usefixtures("quick_sheet")
def test_a_report_without_such_a_finding_has_no_warning(tmp_path: Path) -> None:
    write_report(Screening(), tmp_path, _scored("validation", lambda labels: labels * 0.0))
    assert "WARNING" not in _shown(tmp_path)


@pytest.mark.usefixtures("quick_sheet")
def test_the_model_card_says_what_was_not_measured(tmp_path: Path) -> None:
    write_report(Screening(), tmp_path, _finished())
    card = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    for heading in ("## Study and people", "## Intended use", "## Data", "## Model", "## Training", "## Evaluation"):
        assert heading in card
    assert "3 <i>files</i> left out." in card
    for heading, fields in UNKNOWN_FIELDS.items():
        section = card.split(f"## {heading}")[1].split("\n## ")[0]
        assert all(f"- {field}. {UNKNOWN}" in section for field in fields)
    assert "seed: 0" in card
    assert "Failures: " in card


def test_an_undefined_measure_is_given_its_reason() -> None:
    assert measure_text({"value": None, "reason": "no such sample"}) == "not defined (no such sample)"
    assert measure_text({"value": 0.5, "low": None, "high": None}) == "0.500"
    assert measure_text({"value": 0.95312, "low": 0.91, "high": 0.98}) == "0.953 [0.910, 0.980]"
    assert measure_text(3) == "3"


def test_what_a_paper_says_stands_beside_what_was_found() -> None:
    test = {"accuracy": {"value": 0.953, "low": 0.91, "high": 0.98}}
    said = {"source": "arXiv 1909.08774", "accuracy": 0.98, "minutes_an_epoch": 2.2}
    assert published_line(said, test, [{"epoch": 1, "seconds": 6.0}, {"epoch": 2, "seconds": 12.0}]) == (
        "published (arXiv 1909.08774): accuracy 0.98, here 0.953 [0.910, 0.980]; "
        "2.2 minutes an epoch on its machine, here 0.15 once the features are computed"
    )
    only_time = {**said, "accuracy": None}
    assert published_line(only_time, test, []).endswith(": 2.2 minutes an epoch on its machine")
