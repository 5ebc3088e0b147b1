from __future__ import annotations

from typing import Any

from shared.experiments.comparison.figures import learning_curves, pareto_front, pareto_plot


def _tree(*budgets: int | None, costs: bool = True) -> dict[str, Any]:
    measure = {"value": 0.9, "low": 0.8, "high": 0.95, "spread": 0.0, "n": 9}
    rows = [
        {
            "backbone": name,
            "strategy": "s",
            "labels_per_class": labels,
            "measures": {"accuracy": measure},
            "costs": {"latency_ms": 3.0} if costs else None,
        }
        for labels in budgets
        for name in ("a", "b")
    ]
    return {"main": "accuracy", "rows": rows}


def test_the_front_holds_what_no_other_beats() -> None:
    points = [(3.0, 0.9), (1.0, 0.7), (2.0, 0.6), (4.0, 0.9), (1.0, 0.5), (5.0, 0.95)]
    assert pareto_front(points) == [(1.0, 0.7), (3.0, 0.9), (5.0, 0.95)]


def test_all_labels_are_the_largest_budget() -> None:
    found = pareto_plot(_tree(20, None))
    assert found is not None
    assert found[0] == "all labels"
    assert found[1].startswith("data:image/png;base64,")
    assert pareto_plot(_tree(20, costs=False)) is None


def test_curves_need_two_budgets() -> None:
    assert learning_curves(_tree(20)) is None
    assert learning_curves(_tree(None, 20)) is not None
