from __future__ import annotations

import pytest

from medtl import labels
from shared.errors import DataError


@pytest.mark.parametrize("name", ["no", "No Tumor", "notumor", "no_tumor", "no-tumour", "healthy", "Normal"])
def test_spellings_of_healthy_are_one_class(name: str) -> None:
    assert labels.canonical(name) == "no_tumour"
    assert not labels.is_positive(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("yes", "tumour"), ("Tumor", "tumour"), ("glioma_tumor", "glioma"), ("Pituitary Tumour", "pituitary")],
)
def test_spellings_of_tumours_are_brought_together(name: str, expected: str) -> None:
    assert labels.canonical(name) == expected
    assert labels.is_positive(name)


def test_unknown_class_keeps_its_name_and_is_neither_healthy_nor_a_tumour() -> None:
    assert labels.canonical(" Abscess ") == "abscess"
    assert not labels.is_known("abscess")
    for judged in (labels.is_positive, labels.binary):
        with pytest.raises(DataError, match="whether class 'abscess' is a tumour is not known; known classes are no_t"):
            judged("abscess")


@pytest.mark.parametrize("name", ["", "  ", "0", "1", "2.0"])
def test_empty_or_numeric_label_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="class name"):
        labels.canonical(name)


def test_order_is_healthy_first_and_unknown_last() -> None:
    assert labels.ordered(["zebra", "glioma", "abscess", "no_tumour", "glioma"]) == (
        "no_tumour",
        "glioma",
        "abscess",
        "zebra",
    )
