"""The state of a server: the certificate that its pages show."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from handwriting.task import TASK
from shared.runs.record import ModelRecord
from shared.web.guard import Access
from shared.web.site import Site
from tests.shared.runs.making import make_run
from tests.shared.runs.test_certificate import record_of


def test_pages_certify_for_all_models_among_which_the_run_was_chosen(tmp_path: Path, model_record: ModelRecord) -> None:
    run = make_run(tmp_path / "run", record_of(model_record, 5))
    access, nothing = Access("0" * 16, frozenset()), cast(Any, None)
    own, chosen = (Site(TASK, run, tmp_path, access, nothing, nothing, chosen_among=count) for count in (1, 40))
    certified = chosen.record.certified_sensitivity or 1.0
    assert certified < (own.record.certified_sensitivity or 0.0)
    assert "a choice among 40 models" in (chosen.record.operating_point or {})["statement"]
    assert chosen.verdict[1].startswith(f"sensitivity certified: {certified:.2f}")
