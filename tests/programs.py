"""Programs of this machine that some tests run."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def outside(name: str) -> str | None:
    """Finds a program outside the environment: pynetdicom brings some with the names of dcmtk's.

    Args:
        name: Its name, such as `storescu`.

    Returns:
        Its path; None where there is none.
    """
    folders = [one for one in os.get_exec_path() if Path(one) != Path(sys.executable).parent]
    return shutil.which(name, path=os.pathsep.join(folders))
