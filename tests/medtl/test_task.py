"""What is medtl's own in its TASK; tests/applications/test_task.py has what all applications share."""

from __future__ import annotations

from medtl.task import TASK
from shared.samples import Sample


def test_the_positive_event_is_a_tumour_and_answers_are_for_research_only() -> None:
    assert TASK.positive_name == "tumour"
    assert TASK.is_positive("glioma")
    assert not TASK.is_positive("no_tumour")
    assert any("Research use only" in disclaimer for disclaimer in TASK.disclaimers)


def test_a_class_is_displayed_by_its_label() -> None:
    assert TASK.display_name("glioma") == "glioma"


def test_the_scanner_can_be_learnt_beside_the_class() -> None:
    sample = Sample("a", "a.png", "glioma", domain="siemens aera", auxiliary={"plane": "axial"})
    assert TASK.auxiliary(sample) == {"scanner": "siemens aera", "plane": "axial"}
    assert TASK.auxiliary(Sample("a", "a.png", "glioma")) == {}
