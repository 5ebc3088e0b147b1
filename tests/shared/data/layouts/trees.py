"""Small trees of files for the tests of layouts, and a search in which `a`, `b` and `c` are the known classes."""

from __future__ import annotations

import zipfile
from pathlib import Path

from shared.data.layouts import COLUMNS, Search

SEARCH = Search(
    COLUMNS | {"ink": ("ink", "pen")}, lambda name: name.endswith(".png"), {"a", "b", "c"}.__contains__, "a/"
)


def fill(root: Path, *names: str) -> Path:
    """Writes files that contain their own names."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def packed(root: Path) -> Path:
    """Packs a folder into a zip next to it."""
    target = root.with_suffix(".zip")
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, path.relative_to(root))
    return target
