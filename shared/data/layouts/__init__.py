"""How image collections are laid out on disk, whatever they show: one file a layout, found by being in this folder.

Names only: nothing here opens an image or knows a class. The application says what it looks for (`Search`), and makes
samples of the entries that are found. A new layout is a new file that adds a `LayoutRule` to `LAYOUTS`; files that
begin with `_` hold what layouts share.
"""

from __future__ import annotations

from shared.data.layouts._find import find_layout
from shared.data.layouts._layout import COLUMNS, LAYOUTS, ImageEntry, Layout, LayoutRule, Listing, Search
from shared.data.layouts._names import left_out, normal_path, parse_split, split_name
from shared.data.layouts._samples import collect, synthetic_mark

__all__ = [
    "COLUMNS",
    "LAYOUTS",
    "ImageEntry",
    "Layout",
    "LayoutRule",
    "Listing",
    "Search",
    "collect",
    "find_layout",
    "left_out",
    "normal_path",
    "parse_split",
    "split_name",
    "synthetic_mark",
]
