"""What is known of every kind of tumour without a picture of it: radiological attributes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from shared.zero_shot.attributes import AttributeTable, read_table
from shared.zero_shot.features import SideInformation

TABLE = Path(__file__).with_name("attributes.csv")


@cache
def table() -> AttributeTable:
    """The attributes of healthy brains and of four kinds of tumour."""
    return read_table(TABLE)


def knowledge() -> SideInformation:
    """For `shared.zero_shot.features`; tumours cannot be printed."""
    return SideInformation(table())
