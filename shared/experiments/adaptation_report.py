"""What an adaptation leaves in its folder: `adapt.json`, and a page with columns, distances and maps of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.adaptation.criteria import Run
from shared.evaluation.text import disclaimers, in_words
from shared.experiments.adaptation import UPPER_BOUND
from shared.io.atomic import write_json, write_text
from shared.reporting.figures.canvas import ACCENT, INK, MUTED, address, new_figure
from shared.reporting.html import template
from shared.runs.record import read_model_record
from shared.seeding import generator
from shared.task import Task

MEASURES = ("accuracy", "balanced_accuracy", "auc", "sensitivity", "specificity")
MAPPED = 400
"""Images on a map, of each domain: more hide each other, and t-SNE takes seconds for twice as many."""
MANY_COLOURS = 20
UNLABELLED = "(no label)"
HALVINGS = 5
"""Of one halving alone the distance of some 20 features errs by 0.2 or more."""
ORACLE_WORDS = {"log_likelihood": "mean log-likelihood", "balanced_accuracy": "balanced accuracy"}


def write_adaptation(task: Task, tree: dict[str, Any], folder: Path) -> list[str]:
    """Writes both files, and gives the lines to print.

    Args:
        task: The application.
        tree: As `shared.experiments.adaptation.adapt` gives it; what is measured on features is added to it.
        folder: Of the adaptation, with its runs.
    """
    before, after = (
        Run.read(name, folder / tree["runs"][name]) for name in (tree["settings"][0]["name"], tree["chosen"])
    )
    tree["proxy_a_distance"] = {run.name: _distance_of(run) for run in (before, after)}
    record = read_model_record(before.path)
    write_json(folder / "adapt.json", tree)
    lines = lines_of(tree)
    html = template("adapt.html").render(
        name=folder.name,
        title=task.title,
        disclaimers=disclaimers(task, record.synthetic),
        statement=tree["statement"],
        alarm=tree["kept"] == before.name,
        target=tree["target"],
        columns=list(tree["columns"]),
        tables=_tables(tree),
        chosen_by={name: f"{one['run']}, epoch {one['epoch']}" for name, one in tree["columns"].items()},
        rule=tree["rule"],
        oracle_rule=ORACLE_WORDS[tree["oracle_rule"]] if "oracle" in tree["columns"] else None,
        bound=UPPER_BOUND in tree["columns"],
        no_bound=tree["no_bound"],
        settings=tree["settings"],
        prior=tree["prior"] if len(record.classes) <= MANY_COLOURS else None,
        distances=tree["proxy_a_distance"],
        curve=_domain_curve(tree["settings"]),
        maps=[(run.name, *_maps(run)) for run in (before, after)],
    )
    write_text(folder / "adapt.html", html)
    return lines


def lines_of(tree: Mapping[str, Any]) -> list[str]:
    """The statement, and a line for each column, domain and measure that is defined."""
    lines = [tree["statement"]]
    for name, column in tree["columns"].items():
        for domain, block in column["domains"].items():
            cells = [f"{key} {in_words(block[key])}" for key in MEASURES if block.get(key, {}).get("value") is not None]
            what = f"target {domain}" if domain == tree["target"] else domain
            lines.append(f"{name} ({column['run']}), {what}: {', '.join(cells)}")
    if tree["no_bound"] is not None:
        lines.append(f"not trained on target labels: {tree['no_bound']}")
    distances = tree["proxy_a_distance"]
    if None in distances.values():
        return [*lines, "proxy A-distance: not defined, for a domain has one group alone"]
    return [*lines, f"proxy A-distance: {', '.join(f'{name} {value:.2f}' for name, value in distances.items())}"]


def proxy_a_distance(
    source: NDArray[np.float32], target: NDArray[np.float32], units: Sequence[Sequence[int]]
) -> float | None:
    """How well a linear classifier tells the features [N, width] of two domains apart: 0 (not at all) to 2 (always).

    Half of the units of each domain train it, the other half judge it, for what belongs together is known again
    whatever the domain; the mean error over several such halves counts. Of a domain with one unit nothing is known:
    None.

    Args:
        source: Features of it.
        target: Features of it.
        units: Of each code of the source, and of the target: what is independent of the rest.

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
    """Whether each code is of the drawn half of units; neither half is empty."""
    drawn = random.permutation(np.unique(units))
    return np.isin(units, drawn[: len(drawn) // 2])


def _distance_of(run: Run) -> float | None:
    return proxy_a_distance(*_features(run), [run.validation.belonging.units, run.target.belonging.units])


def _features(run: Run) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    source, target = run.validation.features, run.target.features
    assert source is not None and target is not None  # noqa: PT018 - runs of `adapt` write both
    return source, target


def _tables(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A table a domain, the target first: a row a measure, a cell a column."""
    columns = tree["columns"].values()
    domains = sorted(next(iter(columns))["domains"], key=lambda name: (name != tree["target"], name))
    tables = []
    for domain in domains:
        blocks = [column["domains"][domain] for column in columns]
        keys = [key for key in MEASURES if key in blocks[0]]
        rows = [(key.replace("_", " "), [in_words(block[key]) for block in blocks]) for key in keys]
        tables.append({"domain": domain, "n": blocks[0]["n"], "rows": rows})
    return tables


def _domain_curve(settings: Sequence[Mapping[str, Any]]) -> str | None:
    """Accuracy of the classifiers of domains over the epochs; None where no method has one."""
    told = [one for one in settings if one["domain_accuracy"]]
    if not told:
        return None
    figure, axes = new_figure(6.4, 2.6)
    for number, one in enumerate(told):
        values = one["domain_accuracy"]
        axes.plot(range(1, len(values) + 1), values, color=(INK, ACCENT, MUTED)[number % 3], label=one["name"])
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("epoch")
    axes.set_ylabel("accuracy on domains")
    axes.set_ylim(0, 1)
    axes.legend(frameon=False)
    return address(figure)


def _maps(run: Run) -> tuple[str, str]:
    """Two pictures of the same t-SNE of validation features: coloured by domain, and by class."""
    from sklearn.manifold import TSNE

    features, domains, labels = [], list[str](), []
    for part, of_run in ((run.validation, _features(run)[0]), (run.target, _features(run)[1])):
        chosen = generator(0, "map").permutation(len(of_run))[:MAPPED]
        features.append(of_run[chosen])
        domains += [part.domains[i] for i in chosen]
        labels.append(part.labels[chosen])
    points = np.concatenate(features)
    perplexity = min(30.0, (len(points) - 1) / 3)
    flat = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(points)
    names = np.array([*read_model_record(run.path).classes, UNLABELLED])  # the last of which is -1
    return _scatter(flat, np.array(domains)), _scatter(flat, names[np.concatenate(labels)])


def _scatter(points: NDArray[np.float32], names: NDArray[np.str_]) -> str:
    import matplotlib as mpl

    figure, axes = new_figure(4.2, 4.2)
    kinds = sorted(set(names.tolist()))
    colours = mpl.colormaps["tab10" if len(kinds) <= 10 else "tab20"]
    for number, kind in enumerate(kinds):
        inside = names == kind
        axes.scatter(*points[inside].T, s=6, color=colours(number % colours.N), label=kind, linewidths=0)
    axes.set_axis_off()
    if len(kinds) <= MANY_COLOURS:
        axes.legend(frameon=False, fontsize=7, markerscale=2)
    return address(figure)
