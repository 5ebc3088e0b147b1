from __future__ import annotations

from shared.reporting.counts_view import view_text


def _rate(successes: int, n: int) -> dict[str, int]:
    return {"successes": successes, "n": n}


def test_patients_are_counted_where_the_test_has_such_groups() -> None:
    rates = {"sensitivity": _rate(11, 12), "specificity": _rate(2, 3)}
    said = (
        "Of 12 patients with a tumour in the test the model calls 11 positive and misses 1. "
        "Of 3 patients without a tumour it calls 1 positive all the same."
    )
    images = {"sensitivity": _rate(40, 60), "specificity": _rate(90, 90)}
    assert view_text({"by_group": rates, **images}, "patient", "tumour") == said
    assert view_text(rates, "patient", "tumour") == said.replace("patients", "images")


def test_what_is_not_defined_is_not_counted() -> None:
    undefined = {"value": None, "reason": "no such sample"}
    rates = {"sensitivity": _rate(11, 12), "specificity": undefined}
    assert "without" not in view_text({"by_group": rates}, "series", "tumour")
    assert view_text({"coverage": undefined, "selective_error": undefined}, "writer", None) == ""


def test_without_a_positive_class_answers_are_counted() -> None:
    test = {"coverage": _rate(90, 100), "selective_error": _rate(2, 90)}
    said = "Of 100 test images the model accepts its answer on 90 and is wrong in 2 of these."
    assert view_text(test, "writer", None) == said
