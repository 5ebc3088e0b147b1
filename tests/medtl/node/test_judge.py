from __future__ import annotations

from pathlib import Path

import pytest

from medtl.node.judge import write_results
from shared.errors import InputRefused


def test_no_result_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="gave no result"):
        write_results([], tmp_path)
