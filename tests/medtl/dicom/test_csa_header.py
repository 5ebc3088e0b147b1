"""Headers are built here byte by byte; those of a real scanner come from MEDTL_DATA."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medtl.dicom import csa_header
from medtl.dicom.csa_header import read_csa
from shared.errors import InputRefused

ELEMENTS = {
    "EchoLinePosition": ["32"],
    "NumberOfImagesInMosaic": ["35"],
    "SliceNormalVector": ["0.00000000", "0.10799944", "0.99415095"],
    "Empty": [],
}
Write = Callable[..., bytes]


@pytest.mark.parametrize("version", [1, 2])
def test_elements_are_read_in_both_versions(make_csa: Write, version: int) -> None:
    assert read_csa(make_csa(ELEMENTS, version)) == {name: tuple(texts) for name, texts in ELEMENTS.items() if texts}


def test_what_stands_behind_the_zero_byte_of_a_name_is_not_read(make_csa: Write) -> None:
    data = make_csa({"Name": ["1"]}).replace(b"Name\0\0\0\0\0\0", b"Name\0Doe^J")
    assert read_csa(data) == {"Name": ("1",)}


def test_only_as_many_items_as_the_multiplicity_says_are_meant(make_csa: Write) -> None:
    data = bytearray(make_csa({"Name": ["1", "2", "3"]}))
    data[16 + 64] = 2
    assert read_csa(bytes(data)) == {"Name": ("1", "2")}


@pytest.mark.parametrize("version", [1, 2])
def test_header_that_ends_early_is_damaged_wherever_it_ends(make_csa: Write, version: int) -> None:
    data = make_csa({"A": ["123456789"], "B": ["1", "2", "3", "4", "5", "67"]}, version)
    # The last item may lack the bytes that fill it up to four.
    for end in range(len(data) - 3):
        with pytest.raises(InputRefused, match="damaged CSA header"):
            read_csa(data[:end])


@pytest.mark.parametrize("count", [0, 1025, 2**32 - 1])
def test_absurd_numbers_of_elements_are_damage(make_csa: Write, count: int) -> None:
    data = make_csa(ELEMENTS)
    with pytest.raises(InputRefused):
        read_csa(data[:8] + count.to_bytes(4, "little") + data[12:])


def test_items_are_bounded_over_all_elements(make_csa: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csa_header, "MAX_ITEMS", 17)
    assert len(read_csa(make_csa({"A": ["1"], "B": ["2"]}))) == 2
    with pytest.raises(InputRefused):
        read_csa(make_csa({"A": ["1"], "B": ["2"], "C": ["3"]}))


def test_damaged_bytes_give_texts_or_a_refusal(make_csa: Write) -> None:
    random, refused = np.random.default_rng(0), 0
    for version in (1, 2):
        whole = make_csa(ELEMENTS, version)
        for _ in range(200):
            data = bytearray(whole)
            for place in random.integers(0, len(data), size=3):
                data[place] = random.integers(256)
            try:
                read_csa(bytes(data))
            except InputRefused:
                refused += 1
    assert refused > 50


@pytest.mark.data
def test_real_headers_are_read_whole(data_dir: Path) -> None:
    seen = []
    with zipfile.ZipFile(data_dir / "dicom.zip") as archive:
        for name in archive.namelist():
            if "/siemens_mosaic/" not in name or name.endswith("/"):
                continue
            dataset = pydicom.dcmread(io.BytesIO(archive.read(name)), stop_before_pixels=True)
            elements = read_csa(dataset.private_block(0x0029, "SIEMENS CSA HEADER")[0x10].value)
            assert len(elements["MosaicRefAcqTimes"]) == int(elements["NumberOfImagesInMosaic"][0])
            seen.append(elements["SliceNormalVector"])
    assert len(seen) == 4
    assert ("0.00000000", "0.10799944", "0.99415095") in seen
