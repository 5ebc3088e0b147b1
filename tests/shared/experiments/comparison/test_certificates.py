"""The certificate of the best row of a comparison."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.experiments.comparison.certificates import weakest
from shared.runs.certificate import models_among
from shared.runs.record import ModelRecord
from tests.shared.runs.test_certificate import record_of


def test_all_runs_on_the_same_data_count_and_the_weakest_seed_speaks(model_record: ModelRecord) -> None:
    seeds = [record_of(model_record, choices) for choices in (5, 20)]
    others = [record_of(model_record, 7), replace(record_of(model_record, 900), data_hash="other data")]
    found = weakest(seeds, [*seeds, *others])
    assert models_among(found) == 5 + 20 + 7
    assert found.certified_sensitivity is not None
    assert found.certified_sensitivity < min(one.certified_sensitivity or 0.0 for one in seeds)


@pytest.mark.parametrize("order", [(True, False), (False, True)])
def test_one_seed_that_certifies_nothing_leaves_the_row_without_a_certificate(
    model_record: ModelRecord, order: tuple[bool, bool]
) -> None:
    seeds = [record_of(model_record, 5, named=named) for named in order]
    assert weakest(seeds, seeds).certified_sensitivity is None
