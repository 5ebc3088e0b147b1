"""The readers of what is not DICOM, each with sound files to begin from and words that mutations put into them."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

from medtl.nifti import read_placement, read_volume
from shared.config.files import read_yaml
from shared.config.read import load_config
from shared.data.layouts import COLUMNS
from shared.data.layouts.table import read_table
from shared.io.pictures import is_synthetic_picture, read_picture
from shared.runs.certificate import restated
from shared.runs.record import read_model_record
from shared.runs.verdict import read_verdict

YAML = b"""seed: 1
data: {source: &s brain.zip, split: {train: 0.7}, classes: [*s, "no"]}
backbone: &b
  name: vgg16
  size: 1_000
strategy:
  <<: *b
  rates: [1e-3, 0x1F, 1:30, 2024-01-01, ~, yes, !!binary "aGk="]
"""
TABLE = b'\xef\xbb\xbfpath,label,split,patient,label:plane\na.png,yes,train,1,axial\n"b, c.png",no,test,2,\nd.png,no\n'
YAML_WORDS = [b"&a ", b"*a ", b"<<: ", b"[" * 40, b"{" * 40, b"- " * 50, b"!!int ", b"!!float ", b"!!timestamp ", b"? "]
YAML_WORDS += [
    b"9" * 5000,
    b":59" * 900,
    b"2024-99-99",
    b"!!python/object:os.system ",
    b"\x00",
    b"\xff\xfe",
    b"%YAML 9.9\n---\n",
]
YAML_WORDS += [b"&a [*a]", b"|2\n", b'"\\x', b"\n---\n", b".inf", b"1e999", b"!!set {", b"!!omap [", b"\t", b"#"]
JSON_WORDS = [b"null", b"[]", b"{}", b"-1", b"1e999", b"NaN", b"Infinity", b"true", b'"abc"', b"[[]]", b"9" * 5000]
JSON_WORDS += [b"[" * 3000, b'"\\ud800"', b"0.5", b"100000", b'{"a": [1]}', b'["a", "a"]']
TABLE_WORDS = [
    b",",
    b";",
    b'"',
    b"\n",
    b"\r",
    b"\0",
    b"path",
    b"label",
    b"LABEL",
    b"../",
    b"/",
    b"\\",
    b"a" * 140_000,
    b",,," * 999,
]
NUMBERS = [
    number.to_bytes(size, order) for number in (0, 1, 0x7FFF, 0xFFFF) for size in (2, 4) for order in ("little", "big")
]
NUMBERS += [b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\0\0\xc0\x7f", b"\0\0\x80\x7f", bytes(48)]


@dataclass(frozen=True)
class Reader:
    """A reader of foreign bytes, which may raise no error but the project's own."""

    read: Callable[[bytes], object]
    seeds: Sequence[bytes]
    words: Sequence[bytes]


def _volumes() -> list[bytes]:
    voxels = np.arange(8 * 9 * 4, dtype=np.int16).reshape(8, 9, 4)
    colours = np.zeros((4, 5, 6), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    return [
        nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 5.0, 1.0])).to_bytes(),
        nibabel.Nifti2Image(voxels.astype(np.float32), np.eye(4)).to_bytes(),
        nibabel.Nifti1Image(colours, np.eye(4)).to_bytes(),
    ]


def _volume(data: bytes) -> None:
    try:
        read_placement(data)
    finally:
        read_volume(data)


def _tiffs() -> list[bytes]:
    grey, found = np.arange(400, dtype=np.uint8).reshape(20, 20), []
    for picture, options in (
        (Image.fromarray(grey), {}),
        (Image.fromarray(grey), {"compression": "tiff_lzw"}),
        (Image.fromarray(grey.astype(np.float32)), {"compression": "tiff_deflate"}),
        (Image.fromarray(np.stack([grey] * 3, axis=2)), {"compression": "jpeg"}),
        (Image.fromarray(grey > 9), {"compression": "group4"}),
        (Image.fromarray(grey), {"save_all": True, "append_images": [Image.fromarray(grey)]}),
    ):
        stream = io.BytesIO()
        picture.save(stream, "TIFF", **options)
        found.append(stream.getvalue())
    return found


def _picture(data: bytes) -> None:
    is_synthetic_picture(data)
    read_picture(data, "white")


def _written(read: Callable[[Path], object], name: str) -> Callable[[bytes], object]:
    folder = Path(tempfile.mkdtemp(prefix="medtl-fuzz-"))

    def from_bytes(data: bytes) -> object:
        (folder / name).write_bytes(data)
        return read(folder / name)

    return from_bytes


def _configuration(path: Path) -> None:
    read_yaml(path)
    load_config(path)


def _record(path: Path) -> None:
    record = restated(read_model_record(path.parent), 3)
    read_verdict(path.parent, record)


def readers(records: Sequence[bytes]) -> dict[str, Reader]:
    """The readers by name.

    Args:
        records: Sound `model.json` files.
    """
    return {
        "nifti": Reader(_volume, _volumes(), NUMBERS),
        "tiff": Reader(_picture, _tiffs(), NUMBERS),
        "yaml": Reader(_written(_configuration, "a.yaml"), [YAML], YAML_WORDS),
        "table": Reader(lambda data: read_table(data, COLUMNS), [TABLE, TABLE.replace(b",", b";")], TABLE_WORDS),
        "record": Reader(_written(_record, "model.json"), records, JSON_WORDS),
    }


def as_json(tree: object) -> bytes:
    """A record as it stands in a run folder."""
    return json.dumps(tree, indent=2).encode()
