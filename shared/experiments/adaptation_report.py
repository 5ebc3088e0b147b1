"""The files of an adaptation: `adapt.json`, and a page with tables, distances of domains and maps of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.adaptation.criteria import Run
from shared.evaluation.measure import Table, measures_in
from shared.evaluation.text import disclaimers, measure_text
from shared.evaluation.verdict import finding
from shared.experiments.adaptation import CHOSEN, SELECTED, UPPER_BOUND
from shared.io.atomic import write_json, write_text
from shared.reporting.figures.canvas import ACCENT, INK, MUTED, SQUARE, WIDE, address, new_figure
from shared.reporting.html import template
from shared.runs.record import read_model_record
from shared.runs.verdict import read_verdict
from shared.seeding import generator
from shared.task import Task

MAX_MAPPED = 400
"""Images of each domain on a map: more hide each other, and t-SNE takes seconds for twice as many."""
MAX_COLOURS = 20
"""Most classes that a map or table tells apart by colour or column."""
UNLABELLED = "(no label)"
HALVINGS = 5
"""Random halvings over which a distance is averaged: from one, the distance of some 20 features errs by 0.2 or more."""
ORACLE_WORDS = {"log_likelihood": "mean log-likelihood", "balanced_accuracy": "balanced accuracy"}


def write_adaptation(task: Task, tree: dict[str, Any], folder: Path) -> list[str]:
    """Writes the results of an adaptation as `adapt.json` and `adapt.html` into its folder.

    Args:
        task: The application.
        tree: Result of `shared.experiments.adaptation.adapt`; `proxy_a_distance` is added to it.
        folder: Folder of the adaptation, with its runs.

    Returns:
        The lines to print: what the kept run is fit for, then those of `adaptation_lines`.
    """
    before, after = (
        Run.read(name, folder / tree["runs"][name]) for name in (tree["settings"][0]["name"], tree["chosen"])
    )
    tree["proxy_a_distance"] = {run.name: _distance_of(run) for run in (before, after)}
    write_json(folder / "adapt.json", tree)
    context = _context(task, tree, folder, (before, after))
    write_text(folder / "adapt.html", template("adapt.html").render(context))
    return [*_verdict(tree, folder), *adaptation_lines(tree)]


def _verdict(tree: Mapping[str, Any], folder: Path) -> list[str]:
    """What the run that was kept is fit for: on the target, where labels tell, and what is certified of it."""
    target = tree["target"]
    block = tree["columns"][CHOSEN]["domains"].get(target)
    there = f"the target has no labels: what {SELECTED} is worth on {target} is not known"
    if block is not None:
        there = f"{SELECTED} on {target}: {finding(block).text}"
    return [f"verdict: {there}", read_verdict(folder / SELECTED).certificate]


def _context(task: Task, tree: Mapping[str, Any], folder: Path, runs: tuple[Run, Run]) -> dict[str, Any]:
    """Everything that the page shows."""
    record, columns = read_model_record(runs[0].path), tree["columns"]
    return {
        "name": folder.name,
        "kind": "adaptation",
        "title": task.title,
        "verdict": [
            *_verdict(tree, folder),
            f"chosen without target labels: {tree['statement'].rstrip('.')}",
            f"kept run: {tree['certificate'].rstrip('.')}",
        ],
        "tone": "bad" if tree["kept"] == runs[0].name else "",
        "disclaimers": disclaimers(task, record.synthetic),
        "target": tree["target"],
        "columns": list(columns),
        "tables": _tables(tree, task.group_name),
        "chosen_by": {name: f"{one['run']}, epoch {one['epoch']}" for name, one in columns.items()},
        "rules": [rule.replace("_", " ") for rule in tree["rules"]],
        "oracle_rule": ORACLE_WORDS[tree["oracle_rule"]] if "oracle" in columns else None,
        "bound": UPPER_BOUND in columns,
        "no_bound": tree["no_bound"],
        "settings": tree["settings"],
        "prior": tree["prior"] if len(record.classes) <= MAX_COLOURS else None,
        "distances": tree["proxy_a_distance"],
        "curve": _domain_curve(tree["settings"]),
        "reports": {
            name: one
            for name, one in {SELECTED: SELECTED, **tree["runs"]}.items()
            if (folder / one / "report.html").is_file()  # `--keep` writes all of them
        },
        "maps": [(run.name, *_maps(run)) for run in runs],
    }


def adaptation_lines(tree: Mapping[str, Any]) -> list[str]:
    """Writes the results of an adaptation as lines of text: the conclusion, the measures, and the distances of domains.

    Args:
        tree: Result of `shared.experiments.adaptation.adapt`, after `write_adaptation` added `proxy_a_distance`.

    Returns:
        The statement on which run is kept, and what it certifies; a line of measures for each column and domain; why
        there is no upper bound,
        where that is so; and the proxy A-distances.
    """
    shown = measures_in(Table.ADAPTATION)
    lines = [tree["statement"], f"kept run: {tree['certificate']}"]
    for name, column in tree["columns"].items():
        for domain, block in column["domains"].items():
            defined = [one for one in shown if block.get(one.key, {}).get("value") is not None]
            cells = [f"{one.heading} {measure_text(block[one.key])}" for one in defined]
            where = f"target {domain}" if domain == tree["target"] else domain
            lines.append(f"{name} ({column['run']}), {where}: {', '.join(cells)}")
    if tree["no_bound"] is not None:
        lines.append(f"not trained on target labels: {tree['no_bound']}")
    distances = tree["proxy_a_distance"]
    if None in distances.values():
        return [*lines, "proxy A-distance: not defined, as a domain has only one group"]
    return [*lines, f"proxy A-distance: {', '.join(f'{name} {value:.2f}' for name, value in distances.items())}"]


def proxy_a_distance(
    source: NDArray[np.float32], target: NDArray[np.float32], units: Sequence[Sequence[int]]
) -> float | None:
    """Computes the proxy A-distance of two domains: 0 where a linear classifier cannot separate them, 2 where it can.

    The classifier is trained on half of the units of each domain and tested on the other half, for images of one unit
    are recognised whatever the domain; the error is averaged over several random halves.

    Args:
        source: float32 [N, width], features of the source.
        target: float32 [M, width], features of the target.
        units: Number of the independent unit of each feature, of the source and of the target.

    Returns:
        The distance; None where a domain has one unit only.

    Source: Ben-David et al., NIPS 2006; computed as in Ganin et al., JMLR 17(59), 2016, section 5.1.5.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    if min(len(set(own)) for own in units) < 2:
        return None
    features = np.concatenate([source, target])
    truth = np.repeat([0, 1], [len(source), len(target)])
    errors = []
    for halving in range(HALVINGS):
        random = generator(0, "proxy A-distance", halving)
        learn = np.concatenate([_half(own, random) for own in units])
        scaler = StandardScaler().fit(features[learn])
        classifier = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
        classifier.fit(scaler.transform(features[learn]), truth[learn])
        wrong = classifier.predict(scaler.transform(features[~learn])) != truth[~learn]
        errors.append(np.mean([wrong[truth[~learn] == side].mean() for side in (0, 1)]))
    return float(max(0.0, 2.0 * (1.0 - 2.0 * np.mean(errors))))


def _half(units: Sequence[int], random: np.random.Generator) -> NDArray[np.bool_]:
    """Whether each feature belongs to the half of units that is drawn, bool [N]; neither half is empty."""
    drawn = random.permutation(np.unique(units))
    return np.isin(units, drawn[: len(drawn) // 2])


def _distance_of(run: Run) -> float | None:
    return proxy_a_distance(*_features(run), [run.validation.grouping.units, run.target.grouping.units])


def _features(run: Run) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    source, target = run.validation.features, run.target.features
    assert source is not None and target is not None  # noqa: PT018 - runs of `adapt` write both
    return source, target


def _tables(tree: Mapping[str, Any], group: str) -> list[dict[str, Any]]:
    """A table for each domain, the target first: a row for each measure, by group before by image."""
    columns = tree["columns"].values()
    domains = sorted(next(iter(columns))["domains"], key=lambda name: (name != tree["target"], name))
    tables = []
    for domain in domains:
        blocks = [column["domains"][domain] for column in columns]
        by_group = _rows([block.get("by_group", {}) for block in blocks], f", by {group}")
        tables.append({"domain": domain, "n": blocks[0]["n"], "rows": [*by_group, *_rows(blocks, "")]})
    return tables


def _rows(blocks: Sequence[Mapping[str, Any]], unit: str) -> list[tuple[str, list[str]]]:
    """A row for each measure that all columns have."""
    shown = [one for one in measures_in(Table.ADAPTATION) if all(one.key in block for block in blocks)]
    return [(f"{one.heading}{unit}", [measure_text(block[one.key]) for block in blocks]) for one in shown]


def _domain_curve(settings: Sequence[Mapping[str, Any]]) -> str | None:
    """Plots the accuracy of domain classifiers over the epochs; None where no strategy has one."""
    with_classifier = [one for one in settings if one["domain_accuracy"]]
    if not with_classifier:
        return None
    figure, axes = new_figure(WIDE, 2.6)
    for number, one in enumerate(with_classifier):
        values = one["domain_accuracy"]
        axes.plot(range(1, len(values) + 1), values, color=(INK, ACCENT, MUTED)[number % 3], label=one["name"])
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("epoch")
    axes.set_ylabel("accuracy on domains")
    axes.set_ylim(0, 1)
    axes.legend(frameon=False)
    return address(figure)


def _maps(run: Run) -> tuple[str, str]:
    """Two plots of one t-SNE of validation features: coloured by domain, and by class."""
    from sklearn.manifold import TSNE

    features, domains, labels = [], list[str](), []
    for split, of_split in zip((run.validation, run.target), _features(run), strict=True):
        chosen = generator(0, "map").permutation(len(of_split))[:MAX_MAPPED]
        features.append(of_split[chosen])
        domains += [split.domains[i] for i in chosen]
        labels.append(split.labels[chosen])
    points = np.concatenate(features)
    perplexity = min(30.0, (len(points) - 1) / 3)
    flat = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(points)
    names = np.array(
        [*read_model_record(run.path).classes, UNLABELLED]
    )  # -1, the label of images without one, is the last
    return _scatter(flat, np.array(domains)), _scatter(flat, names[np.concatenate(labels)])


def _scatter(points: NDArray[np.float32], names: NDArray[np.str_]) -> str:
    import matplotlib as mpl

    figure, axes = new_figure(SQUARE, SQUARE)
    kinds = sorted(set(names.tolist()))
    colours = mpl.colormaps["tab10" if len(kinds) <= 10 else "tab20"]
    for number, kind in enumerate(kinds):
        inside = names == kind
        axes.scatter(*points[inside].T, s=14, color=colours(number % colours.N), label=kind, linewidths=0)
    axes.set_axis_off()
    if len(kinds) <= MAX_COLOURS:
        axes.legend(frameon=False, fontsize=8, markerscale=1.5)
    return address(figure)
