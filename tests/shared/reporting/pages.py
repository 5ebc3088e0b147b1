"""One page of every kind of report, with as much on it as such a page can have, made without a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from handwriting.cli import app
from handwriting.task import TASK
from medtl.side_information import table
from medtl.task import TASK as TUMOURS
from shared.config.read import load_config
from shared.experiments import adaptation_report
from shared.experiments.advice.recipes import FINETUNE, PROBE
from shared.experiments.advice.report import write_advice
from shared.experiments.comparison.report import write_comparison
from shared.experiments.crossval_report import write_cross_validation, write_left_out
from shared.pipeline.add_class import _write_report as write_added_class
from shared.reporting.html import template
from shared.reporting.index import write_index
from shared.reporting.run_report import write_report
from shared.runs.record import ModelRecord
from shared.zero_shot.features import SideInformation
from shared.zero_shot.report import write_study
from shared.zero_shot.study import study
from tests.shared.experiments.comparison.test_run import TREE as COMPARISON
from tests.shared.reporting.test_run_report import Screening, finished_with_findings
from tests.shared.runs.test_certificate import record_of, write_run
from tests.shared.zero_shot.test_study import gathered

RATE = {"value": 0.912, "low": 0.851, "high": 0.953, "n": 120, "spread": 0.012}
NOT_DEFINED = {"value": None, "reason": "only one of the two kinds occurs"}
KINDS = (
    "run",
    "added_class",
    "comparison",
    "adaptation",
    "crossval",
    "left_out",
    "zero_shot",
    "audit",
    "advice",
    "index",
)


def make_pages(root: Path, record: ModelRecord, draw: Callable[..., Path]) -> dict[str, Path]:
    """Writes a page of every kind below `root`; the page of each by its kind."""
    runs = root / "runs"
    folders = {kind: runs / kind / "of-a-rather-long-name-seed0-32416799" for kind in KINDS}
    for kind in KINDS[:-1]:
        folders[kind].mkdir(parents=True)
    write_report(Screening(), folders["run"], finished_with_findings())
    write_added_class(TASK, record, folders["added_class"], ["ka was added from 5 examples."], "first")
    write_comparison(COMPARISON | {"notes": ["A note."]}, TASK.title, folders["comparison"])
    _adaptation(folders["adaptation"], record)
    _cross_validation(folders["crossval"])
    rows = {name: [_left_out(name, auc)] for name, auc in (("near", RATE), ("far", NOT_DEFINED))}
    write_left_out(TUMOURS, {"disclaimers": ["Research use only."], "domains": rows}, folders["left_out"])
    tree = study(TUMOURS, SideInformation(table()), [(gathered(), ("glioma", "pituitary"))], ["eszsl"], lambda *_: None)
    write_study(tree, TUMOURS, folders["zero_shot"])
    _audit(root, folders["audit"], draw)
    _advice(folders["advice"])
    write_run(runs / "finished", record_of(record, 5))
    index, _ = write_index(TASK, runs)
    names = {"run": "report", "added_class": "report", "comparison": "compare", "adaptation": "adapt"}
    names |= {"left_out": "crossval"}
    pages = {kind: folders[kind] / f"{names.get(kind, kind)}.html" for kind in KINDS[:-1]}
    return pages | {"index": index}


def _adaptation(folder: Path, record: ModelRecord) -> None:
    """The page of two settings; its maps of features are left to the test of a real adaptation."""
    run = write_run(folder / "kept", record_of(record, 5))
    test: dict[str, Any] = {
        "n": 60,
        "sensitivity": RATE,
        "specificity": RATE,
        "auc": RATE,
        "accuracy": RATE,
        "balanced_accuracy": RATE,
    }
    test["by_group"] = {"sensitivity": RATE, "specificity": NOT_DEFINED}
    columns = ("source only", "label-free", "oracle", "trained on target labels")
    setting = {"values": {"reverse_validation": 0.5, "mutual_information": 0.4}, "epoch": 3, "oracle": 0.6}
    setting |= {"oracle_epoch": 2, "domain_accuracy": [0.9, 0.6]}
    tree: dict[str, Any] = {
        "target": "far",
        "columns": {name: {"run": name, "epoch": 2, "domains": {"near": test, "far": test}} for name in columns},
        "rules": ["reverse_validation", "mutual_information"],
        "oracle_rule": "log_likelihood",
        "statement": "dann is kept: compared with source only, both rules prefer it.",
        "certificate": "Nothing is certified",
        "kept": "dann",
        "runs": {"source only": "source-only", "dann": "dann"},
        "settings": [{**setting, "name": name} for name in columns[:2]],
        "prior": {"classes": ["a", "b"], "source": [0.5, 0.5], "estimated": [0.4, 0.6]},
        "no_bound": None,
        "proxy_a_distance": {"source only": 1.2, "dann": 0.4},
    }
    address = adaptation_report._domain_curve(tree["settings"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adaptation_report, "_maps", lambda _: (address, address))
        runs: Any = (SimpleNamespace(name="source only", path=run), SimpleNamespace(name="dann", path=run))
        context = adaptation_report._context(TASK, tree, folder, runs)
    (folder / "adapt.html").write_text(template("adapt.html").render(context), encoding="utf-8")


def _cross_validation(folder: Path) -> None:
    names = ("accuracy, likeliest class", "false-negative rate", "specificity", "specificity, by group")
    tree: Mapping[str, Any] = {
        "verdict": "verdict on 10 runs, each on its own test: chance 2, above chance 8",
        "disclaimers": ["Research use only."],
        "folds": 5,
        "repeats": [dict.fromkeys(names, RATE)] * 2,
        "mean": dict.fromkeys(names, RATE),
        "not_assessed": ["not assessed: 3 of 120"],
        "runs": ["run-0", "run-1"],
    }
    write_cross_validation(TUMOURS, tree, folder)


def _left_out(name: str, auc: Mapping[str, Any]) -> dict[str, Any]:
    return {"seed": 0, "run": f"run-{name}", "verdict": "above chance", "n": 60, "auc": auc, "sensitivity": RATE} | {
        "specificity": RATE,
        "sensitivity_at_specificity_0.8": RATE,
    }


def _audit(root: Path, folder: Path, draw: Callable[..., Path]) -> None:
    data = draw(root / "data" / "Train", each=4, seed=1).parent
    draw(data / "Test", each=2, seed=2)
    first = (data / "Train" / "digit_0" / "000.png").read_bytes()
    for copy in ("Train/digit_1", "Test/digit_0"):
        (data / copy / "000.png").write_bytes(first)
    result = CliRunner().invoke(app, ["audit", str(data), "--out", str(folder)])
    assert result.exit_code == 3, result.output


def _advice(folder: Path) -> None:
    base = {"name": "convnet_small", "weights": "a.pth", "pooling": "avg_1x1", "side": 96, "images": 400, **RATE}
    probe = {**base, "recipe": PROBE, "layers": ["block4"], "gain": None}
    tuned = {**base, "recipe": FINETUNE, "layers": ["block4"], "gain": {"value": 0.021, "error": 0.008}}
    layers = [{"layers": [f"block{k}"], "pooling": "avg_1x1", "depth": k / 4, "value": 0.1 * k} for k in range(1, 5)]
    backbone = {"name": "convnet_small", "weights": "a.pth", "pretrained_on": "nothing", "log_me": 0.3, "h_score": 1.2}
    tree = {
        "task": TASK.name,
        "synthetic": True,
        "data": {
            "images": 400,
            "groups": 50,
            "counts": {"a": 200, "b": 200},
            "used": 400,
            "side": 96,
            "test": "the test that training draws with seed=0 was left out",
            "notes": ["A note on the data."],
        },
        "measure": "accuracy",
        "backbones": [{**backbone, "layers": layers}],
        "candidates": [probe, tuned],
        "scenario": {
            "size": "small",
            "backbone": "convnet_small",
            "alike": True,
            "calls_for": PROBE,
            "words": "a linear head on the last layer",
            "last": {"layers": ["block4"], "value": 0.8},
            "best": layers[-1],
        },
        "best_linear": probe,
        "advised": probe,
        "expected": RATE,
        "missing": [{"name": "alexnet", "file": "alexnet.pth"}],
        "too_small_for": [],
        "seconds": 12.0,
    }
    write_advice(TASK, tree, load_config(None, ("data.source=letters.zip",)), folder)
