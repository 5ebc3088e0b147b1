"""STOW-RS: takes instances into the spool as they come, one after the other. Source: DICOM PS3.18, section 10.5."""

from __future__ import annotations

import struct
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from pydicom.filereader import read_dataset
from pynetdicom.dsutils import create_file_meta, encode_file_meta

from medtl.dicom.bounds import MAX_OBJECT_BYTES, Metered
from medtl.dicom.reader import untrusted_decoding
from medtl.dicom.values import text_of
from medtl.node.intake import OTHER_BYTES, OUT_OF_RESOURCES, SUCCESS, Intake, Taken
from medtl.node.place import check_room
from shared.errors import InputRefused
from shared.io.multipart import content_type
from shared.web.receiving import RequestRefused

DICOM = "application/dicom"
MAX_PARTS = 10_000
"""Instances of one request: a study of several thousand slices."""
MAX_BYTES = 8 << 30
"""Bytes of one request, which never are in memory together."""
MEMORY_BYTES = 1 << 20
"""Largest part that is gathered in memory; of a larger one the bytes wait on disk."""
PREAMBLE_BYTES, MAGIC = 128, b"DICM"
GROUP_LENGTH = bytes.fromhex("02000000554c0400")
"""Tag, VR and length of File Meta Information Group Length. Source: DICOM PS3.10, table 7.1-1."""
OK, ACCEPTED, CONFLICT, UNAVAILABLE = 200, 202, 409, 503
"""Statuses of the response: all were stored; with warnings or failures; none was stored; none, for lack of room.

Source: DICOM PS3.18, table 10.5.3-1.
"""


class Stow:
    """Takes the parts of one request; each is in the spool, or refused, before the next one comes.

    Args:
        intake: Takes the instances.
        drafts: Folder for bytes that wait, on the disk of the spool.
        study: Study Instance UID of which instances are taken; empty: of any.
        one_at_a_time: Held while an instance is in memory, so that all requests together need the room of one.
    """

    def __init__(self, intake: Intake, drafts: Path, study: str, one_at_a_time: threading.Lock) -> None:
        self._intake, self._drafts, self._study, self._lock = intake, drafts, study, one_at_a_time
        self._waiting: IO[bytes] | None = None
        self._size = 0
        self.taken: list[Taken] = []

    def begin(self, headers: Mapping[str, bytes]) -> None:
        """Begins an instance.

        Raises:
            RequestRefused: The part holds something else.
        """
        kind, _ = content_type(headers.get("content-type", DICOM.encode()).decode("latin-1"))
        if kind != DICOM:
            raise RequestRefused(f"a part is not {DICOM}; send instances as DICOM files", 415)
        # without a name: nothing of it is left, however this process ends
        self._waiting = tempfile.SpooledTemporaryFile(MEMORY_BYTES, dir=str(self._drafts))  # noqa: SIM115
        self._size = 0

    def data(self, data: bytes) -> None:
        """Takes the next bytes of an instance; where the disk has no room for them, the instance fails.

        Raises:
            RequestRefused: The instance is larger than any.
        """
        self._size += len(data)
        if self._size > MAX_OBJECT_BYTES:
            raise RequestRefused(f"an object has more than {MAX_OBJECT_BYTES >> 20} MiB", 413)
        if self._waiting is None:
            return
        try:
            if self._size > MEMORY_BYTES:
                check_room(self._drafts, len(data))
            self._waiting.write(data)
        except OSError:
            self.close()

    def end(self) -> None:
        """Stores the instance."""
        if self._waiting is None:
            self.taken.append(Taken(OUT_OF_RESOURCES))
            return
        waiting = self._waiting
        with self._lock:
            self.taken.append(self._intake.take(lambda: as_received(waiting), study=self._study))
        self.close()

    def close(self) -> None:
        """Lets go of the bytes that wait."""
        if self._waiting is not None:
            with suppress(OSError):  # what is not written yet cannot be, on a full disk
                self._waiting.close()
            self._waiting = None


def as_received(file: IO[bytes]) -> bytes:
    """Reads a DICOM file, with the head that it has when it comes by C-STORE: the same image then has the same bytes.

    The preamble, where anything may stand, is not taken over.

    Args:
        file: The file.

    Raises:
        InputRefused: It is no DICOM file, or its head is damaged.
    """
    file.seek(0)
    data = file.read()
    start = PREAMBLE_BYTES + len(MAGIC)
    if data[PREAMBLE_BYTES:start] != MAGIC:
        raise InputRefused("is no DICOM file")
    end = start + len(GROUP_LENGTH)
    if data[start:end] != GROUP_LENGTH:
        raise InputRefused("has a damaged head: its length is missing")
    body = end + 4 + struct.unpack_from("<I", data.ljust(end + 4, b"\0"), end)[0]
    with untrusted_decoding():
        stated = read_dataset(Metered(data[start:body]), is_implicit_VR=False, is_little_endian=True)
        names = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
        kind, instance, syntax = (text_of(stated, name) for name in names)
        meta = create_file_meta(sop_class_uid=kind, sop_instance_uid=instance, transfer_syntax=syntax)
        return b"".join((bytes(PREAMBLE_BYTES), MAGIC, encode_file_meta(meta), memoryview(data)[body:]))


def response(taken: Sequence[Taken]) -> tuple[int, dict[str, Any]]:
    """Makes the response to a request: its HTTP status, and its dataset as DICOM JSON.

    Args:
        taken: What became of each instance.

    Source: DICOM PS3.18, 10.5.3, and table I.1-1.
    """
    stored = [_stored(one) for one in taken if one.status in (SUCCESS, OTHER_BYTES)]
    failed = [one for one in taken if one.status not in (SUCCESS, OTHER_BYTES)]
    known = [{**_reference(one), **_element("00081197", "US", one.status)} for one in failed if one.instance]
    unknown = [_element("00081197", "US", one.status) for one in failed if not one.instance]
    found = {"00081199": stored, "00081198": known, "0008119A": unknown}
    dataset: dict[str, Any] = _element("00081190", "UR")  # received images are not given out
    for tag, items in found.items():
        if items:
            dataset |= _element(tag, "SQ", *items)
    if not stored:
        return UNAVAILABLE if any(one.status == OUT_OF_RESOURCES for one in failed) else CONFLICT, dataset
    return OK if all(one.status == SUCCESS for one in taken) else ACCEPTED, dataset


def _stored(one: Taken) -> dict[str, Any]:
    named = {**_reference(one), **_element("00081190", "UR")}
    return {**named, **_element("00081196", "US", one.status)} if one.status == OTHER_BYTES else named


def _reference(one: Taken) -> dict[str, Any]:
    return {**_element("00081150", "UI", one.sop_class), **_element("00081155", "UI", one.instance)}


def _element(tag: str, representation: str, *values: object) -> dict[str, Any]:
    """One element; an empty one has no values. Source: DICOM PS3.18, F.2.5."""
    given = [value for value in values if value != ""]
    return {tag: {"vr": representation, "Value": given} if given else {"vr": representation}}
