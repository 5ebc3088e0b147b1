"""Advice as lines of text, and as a configuration file with the reason above it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from shared.config.schema import Config
from shared.evaluation.text import column_heading, measure_text
from shared.experiments.advice.recipes import FINETUNE, PROBE, PROBE_AUTO

RECIPE_WORDS = {
    PROBE: "a linear head on the last layer",
    PROBE_AUTO: "a linear head on {layers} under {pooling}",
    FINETUNE: "fine-tuning of all layers",
}
MAX_NAMED = 8
"""Classes and missing files that are listed by name, at most."""


def as_text(tree: Mapping[str, Any], config: Config) -> list[str]:
    """Writes the lines that the command `advise` prints: data, measurements, advice and reason.

    Args:
        tree: Measurements and advice, the first result of `shared.experiments.advice.advise.advise`.
        config: The advised configuration, its second result.
    """
    return [
        *(["Synthetic data: these images were made by a program."] if tree["synthetic"] else []),
        *data_lines(tree["data"]),
        *(line for one in tree["backbones"] for line in _backbone_lines(one, tree["measure"])),
        *missing_lines(tree),
        *_candidate_lines(tree),
        f"scenario: {scenario_text(tree['scenario'])}",
        *verdict_lines(tree, config),
        f"why: {why(tree)}",
        f"measured in {tree['seconds']:.0f} s",
    ]


def verdict_lines(tree: Mapping[str, Any], config: Config) -> list[str]:
    """Writes the advice and what to expect of it, a line each, without a full stop.

    Args:
        tree: Measurements and advice, the first result of `shared.experiments.advice.advise.advise`.
        config: The advised configuration, its second result.
    """
    return [
        f"advice: {_advice(tree, config)}",
        f"expected {column_heading(tree['measure'])}: {measure_text(tree['expected'])} {_expected_on(tree)}",
    ]


def why(tree: Mapping[str, Any]) -> str:
    """Writes the reason for the advice in a sentence: which candidates were compared and with what result.

    Args:
        tree: Measurements and advice, the first result of `shared.experiments.advice.advise.advise`.
    """
    advised = tree["advised"]
    tuned = [one for one in tree["candidates"] if one["recipe"] == FINETUNE]
    best = advised if advised["recipe"] == FINETUNE else max(tuned, key=lambda one: one["gain"]["value"])
    gain = best["gain"]
    error = "" if gain["error"] is None else f" ± {gain['error']:.3f}"
    base = f"{tree['best_linear']['name']} with {recipe_text(tree['best_linear'])}"
    if best is advised:
        result = f"fine-tuning {best['name']} gains {gain['value']:+.3f}{error} over {base}"
    else:
        change = f"changes the {column_heading(tree['measure'])} by {gain['value']:+.3f}{error}"
        result = f"{base} makes the true classes likeliest, and fine-tuning {best['name']} {change}"
    agreed = tree["scenario"]["calls_for"] == advised["recipe"]
    rule = "as CS231n's rule says" if agreed else f"where CS231n's rule says {tree['scenario']['words']}"
    return (
        f"{result} on the same {best['images']} images, each scored by a model that saw no label of its group; {rule}."
    )


def as_yaml(tree: Mapping[str, Any], config: Config) -> str:
    """Writes the advised configuration as the text of a YAML file for `train`, with the reason as a comment at its top.

    Args:
        tree: Measurements and advice, the first result of `shared.experiments.advice.advise.advise`.
        config: The advised configuration, its second result.
    """
    keys = config.model_dump(mode="json", exclude_unset=True)
    text = yaml.safe_dump({"name": "advised", **keys}, sort_keys=False, allow_unicode=True)
    head = [f"Advised by `{tree['task']} advise`: {_advice(tree, config)}.", why(tree)]
    return "".join(f"# {line}\n" for line in head) + text


def data_lines(data: Mapping[str, Any]) -> list[str]:
    """Writes lines on the size of the data and on how much of them was used.

    Args:
        data: The part `data` of an advice.
    """
    counts = data["counts"]
    each = ", ".join(f"{name} {count}" for name, count in counts.items())
    classes = each if len(counts) <= MAX_NAMED else f"{min(counts.values())} to {max(counts.values())} images each"
    lines = [
        f"data: {data['images']} images of {data['groups']} groups (a single image is one too), "
        f"{len(counts)} classes: {classes}; {data['test']}"
    ]
    if data["used"] < data["images"]:
        lines.append(
            f"measured on {data['used']} of them, drawn at random by class: with all of them results will be better, "
            "most of all those of fine-tuning"
        )
    return [*lines, *data["notes"]]


def _backbone_lines(one: Mapping[str, Any], measure: str) -> list[str]:
    """Lines on one backbone: transferability scores, and linear classifiers over its depth."""
    return [
        f"{one['name']} ({one['weights']}): LogME {one['log_me']:.3f}, H-score {one['h_score']:.2f}",
        f"    pretrained on {one['pretrained_on']}",
        f"    linear {column_heading(measure)} over depth: {depth_text(one)}",
    ]


def depth_text(one: Mapping[str, Any]) -> str:
    """Writes the measure of a linear classifier on each single layer of a backbone, in their order.

    Args:
        one: A backbone of an advice.
    """
    return ", ".join(
        f"{t['layers'][0]} {t['value']:.3f}"
        for t in one["layers"]
        if t["pooling"] == "avg_1x1" and len(t["layers"]) == 1
    )


def missing_lines(tree: Mapping[str, Any]) -> list[str]:
    """Writes lines on the backbones that were not tried, and why.

    Args:
        tree: Measurements and advice, the first result of `shared.experiments.advice.advise.advise`.
    """
    lines = []
    if tree["too_small_for"]:
        names = ", ".join(tree["too_small_for"])
        lines.append(f"not tried, because they do not take images of {tree['data']['side']} pixels: {names}")
    if missing := tree["missing"]:
        named = ", ".join(f"{one['name']} ({one['file']})" for one in missing[:MAX_NAMED])
        more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
        lines.append(f"not tried, because their weights are not here: {named}{more}")
    return lines


def _candidate_lines(tree: Mapping[str, Any]) -> list[str]:
    """One line for each candidate, with its measure and its interval."""
    lines = []
    for one in tree["candidates"]:
        gain = one["gain"]
        more = "" if gain is None else f", {gain['value']:+.3f} against the best linear head on the same images"
        lines.append(
            f"tried: {one['name']}, {recipe_text(one)}: {measure_text(one)} "
            f"({one['images']} images at {one['side']} px{more})"
        )
    return lines


def scenario_text(scenario: Mapping[str, Any]) -> str:
    """Writes CS231n's scenario of the data, with the two layers that decided it.

    Args:
        scenario: The part `scenario` of an advice.
    """
    last, best = scenario["last"], scenario["best"]
    like = "like" if scenario["alike"] else "unlike"
    return (
        f"{scenario['size']} data, {like} those that {scenario['backbone']} was pretrained on (last layer "
        f"{_joined(last)} {last['value']:.3f}, best "
        f"{_joined(best)} {best['pooling']} {best['value']:.3f} at {best['depth']:.0%} of the depth); CS231n: "
        f"{scenario['words']}"
    )


def _advice(tree: Mapping[str, Any], config: Config) -> str:
    """The advised backbone and recipe, with rates and epochs where it has them."""
    advised = tree["advised"]
    name = f"{advised['name']}, {recipe_text(advised)}"
    if advised["recipe"] != FINETUNE:
        return f"{name}, solved to convergence: no learning rate"
    *_, last = config.strategy["phases"]
    return (
        f"{name}: the head alone first, then {last['epochs']} epochs at {last['lr_head']:g} (head) and "
        f"{last['lr_backbone']:g} (backbone, times {last['lr_decay']:g} for each stage further down)"
    )


def recipe_text(one: Mapping[str, Any]) -> str:
    """Writes a recipe in words, with the layers where it chose some.

    Args:
        one: A candidate of an advice.
    """
    return RECIPE_WORDS[one["recipe"]].format(layers=_joined(one), pooling=one["pooling"])


def _joined(one: Mapping[str, Any]) -> str:
    """The names of layers, of several as a sum: "features13 + features18"."""
    return " + ".join(one["layers"])


def _expected_on(tree: Mapping[str, Any]) -> str:
    """The images for which the expected measure holds; under fine-tuning it is the linear head's."""
    unseen = f"on images of people or pictures not seen before, at {tree['best_linear']['side']} px"
    if tree["advised"]["recipe"] != FINETUNE:
        return unseen
    return f"{unseen}, or better: this is the best linear head, and fine-tuning gained over it where both were tried"
