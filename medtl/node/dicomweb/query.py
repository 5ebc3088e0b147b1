"""QIDO-RS: lists studies, series and instances of results as DICOM JSON. Source: DICOM PS3.18, section 10.6."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from medtl.node.dicomweb.catalog import OF_INSTANCE, OF_SERIES, OF_STUDY, Result
from shared.errors import UsageError

Level = Literal["studies", "series", "instances"]
UID_OF: Mapping[Level, str] = {
    "studies": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "instances": "SOPInstanceUID",
}
MOST = 1000
"""Largest number of matches in one response; the next ones are asked for by `offset`."""
TAG = re.compile(r"[0-9A-Fa-f]{8}")


@dataclass(frozen=True)
class Query:
    """What a search asks for.

    Attributes:
        wanted: Values of attributes, by keyword.
        offset: Number of matches that are passed over.
        limit: Largest number of matches in the response.
        is_fuzzy: Whether names that sound alike were asked for, which are not looked for.
    """

    wanted: Mapping[str, str]
    offset: int
    limit: int
    is_fuzzy: bool

    @classmethod
    def parse(cls, given: Sequence[tuple[str, str]], path: Mapping[str, str]) -> Query:
        """Reads the parameters of a search; `includefield` changes nothing.

        Args:
            given: Names and values of the query; attributes are named by keyword or by tag, as eight digits.
            path: UIDs in the path, by keyword.

        Raises:
            UsageError: One is not allowed.
        """
        wanted, numbers, is_fuzzy = dict[str, str](), {"offset": 0, "limit": MOST}, False
        for name, value in given:
            if name in numbers:
                if not re.fullmatch(r"[0-9]{1,9}", value):
                    raise UsageError(f"{name} is no number; it is 0 or above")
                numbers[name] = int(value)
            elif name == "fuzzymatching":
                is_fuzzy = value == "true"
            elif name != "includefield" and value:
                wanted[keyword_for_tag(int(name, 16)) if TAG.fullmatch(name) else name] = value
        return cls({**wanted, **path}, numbers["offset"], min(numbers["limit"], MOST), is_fuzzy)


def matches(level: Level, results: Sequence[Result], root: str) -> list[dict[str, Any]]:
    """Makes the matches of a search: a study, series or instance each, as DICOM JSON.

    Args:
        level: What is listed.
        results: The results that were found.
        root: Address of the service, for the addresses at which they can be retrieved.
    """
    grouped: dict[str, list[Result]] = {}
    for one in results:
        grouped.setdefault(one.header.values[UID_OF[level]], []).append(one)
    return [_match(level, members, root) for members in grouped.values()]


def _match(level: Level, members: Sequence[Result], root: str) -> dict[str, Any]:
    """One match; attributes of a higher level are added, for a client may not have asked for it."""
    first = members[0].header
    keywords: tuple[str, ...] = OF_STUDY if level == "studies" else (*OF_STUDY, *OF_SERIES)
    tree = {tag: first.tree.get(tag, {"vr": dictionary_VR(tag)}) for tag in map(_tag, keywords)}
    more: dict[str, Any] = {"InstanceAvailability": "ONLINE"}
    address = f"{root}/studies/{first.values['StudyInstanceUID']}"
    if level == "studies":
        more["ModalitiesInStudy"] = sorted({one.header.values["Modality"] for one in members})
        more["NumberOfStudyRelatedSeries"] = len({one.header.values["SeriesInstanceUID"] for one in members})
        more["NumberOfStudyRelatedInstances"] = len(members)
    else:
        address += f"/series/{first.values['SeriesInstanceUID']}"
    if level == "series":
        more["NumberOfSeriesRelatedInstances"] = len(members)
    if level == "instances":
        address += f"/instances/{first.values['SOPInstanceUID']}"
        tree |= {tag: first.tree[tag] for tag in map(_tag, OF_INSTANCE) if tag in first.tree}
    more["RetrieveURL"] = address
    for keyword, value in more.items():
        tag = _tag(keyword)
        tree[tag] = {"vr": dictionary_VR(tag), "Value": value if isinstance(value, list) else [value]}
    return dict(sorted(tree.items()))


def _tag(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return f"{tag:08X}"
