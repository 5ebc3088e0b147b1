"""Side information for zero-shot learning of tumours: a table of radiological attributes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from shared.zero_shot.attributes import AttributeTable, read_table
from shared.zero_shot.features import SideInformation

TABLE = Path(__file__).with_name("attributes.csv")


@cache
def table() -> AttributeTable:
    """Reads the table of radiological attributes of healthy brains and of four kinds of tumour."""
    return read_table(TABLE)


def knowledge() -> SideInformation:
    """Returns the side information for `shared.zero_shot`: the table alone, for tumours have no printed form."""
    return SideInformation(table())
