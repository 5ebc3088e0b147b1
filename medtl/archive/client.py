"""Fetches the images of a study or series by WADO-RS, and stores results by STOW-RS, within bounds.

No redirect is followed: credentials go to the host that was named, and to no other.
"""

from __future__ import annotations

import http.client
import json
import logging
import secrets
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from medtl.archive.address import CREDENTIALS_VARIABLE, Address
from medtl.dicom.bounds import MAX_OBJECT_BYTES
from medtl.results.stated import read_stated
from shared.errors import DataError, InputRefused, machine_fault
from shared.io.download import reason_of
from shared.io.multipart import MultipartFault, Parts, TooManyParts, content_type

LOGGER = logging.getLogger(__name__)
DICOM, JSON = "application/dicom", "application/dicom+json"
SILENT_S = 60.0
"""Seconds without a byte after which an archive counts as lost: storing may take it some."""
MAX_OBJECTS, MAX_BYTES = 10_000, 8 << 30
"""Objects of a study, and bytes of all of them."""
MAX_ANSWER_BYTES = 1 << 22
"""Bytes of the answer to storing: it names each object."""
MAX_REASONS = 3
"""Reasons that one message names."""
BLOCK = 1 << 18
FAILED, STORED, REASON = "00081198", "00081199", "00081197"
"""Failed and Referenced SOP Sequence, Failure Reason. Source: DICOM PS3.18, annex I.2."""
REMEDIES = {
    401: f"asks for credentials, or knows others (401); set {CREDENTIALS_VARIABLE}, or give --credentials",
    403: "does not allow it with these credentials (403)",
    404: "has no such study or series (404)",
}


class Archive:
    """An archive with DICOMweb.

    Args:
        address: The study or series in it.
        headers: Headers of every request: credentials.
        tls: Settings of TLS, where the address asks for it.
    """

    def __init__(self, address: Address, headers: Mapping[str, str], tls: ssl.SSLContext | None) -> None:
        self._address, self._headers, self._tls = address, headers, tls

    def fetch(self, folder: Path) -> int:
        """Fetches the images into a folder; reports, and answers of medtl, are passed over.

        Args:
            folder: An existing folder, empty.

        Returns:
            Number of images, at least one.

        Raises:
            DataError: The archive cannot be reached, does not have them, or sends something else.
        """
        taker, size = _Images(folder, self._address), 0
        accept = f'multipart/related; type="{DICOM}"; transfer-syntax=*'
        with self._asked("GET", self._address.path, {"Accept": accept}) as answer, closing(taker):
            kind, options = content_type(answer.headers.get("Content-Type", ""))
            if answer.status != http.client.OK or kind != "multipart/related":
                raise self._fault(answer)
            try:
                parts = Parts(options.get("boundary", ""), taker, MAX_OBJECTS)
                while chunk := answer.read(BLOCK):
                    size += len(chunk)
                    if size > MAX_BYTES:
                        raise DataError(f"{self._address} sends more than {MAX_BYTES >> 30} GiB; name one series")
                    parts.feed(chunk)
                parts.finish()
            except TooManyParts:
                raise DataError(f"{self._address} sends more than {MAX_OBJECTS} objects; name one series") from None
            except MultipartFault as fault:
                raise DataError(f"{self._address} breaks off or sends no DICOM ({fault}); try again") from None
        if not taker.images:
            raise DataError(f"{self._address} has no images there; {taker.others} other objects were passed over")
        LOGGER.info("fetched from %s: images %d, passed over %d", self._address, taker.images, taker.others)
        return taker.images

    def store(self, files: Sequence[Path]) -> int:
        """Stores DICOM files in the study, all in one request.

        Args:
            files: The files, at least one.

        Returns:
            Number of files.

        Raises:
            DataError: The archive cannot be reached, or does not take all of them.
        """
        boundary = secrets.token_hex(16)
        heads = [f"--{boundary}\r\nContent-Type: {DICOM}\r\n\r\n".encode()] * len(files)
        end = f"--{boundary}--\r\n".encode()
        size = sum(len(head) + path.stat().st_size + 2 for head, path in zip(heads, files, strict=True)) + len(end)
        headers = {
            "Accept": JSON,
            "Content-Type": f'multipart/related; type="{DICOM}"; boundary={boundary}',
            "Content-Length": str(size),
        }
        with self._asked("POST", self._address.study_path, headers, _body(heads, files, end)) as answer:
            if answer.status not in (http.client.OK, http.client.ACCEPTED, http.client.CONFLICT):
                raise self._fault(answer)
            stored, reasons = _outcome(answer.read(MAX_ANSWER_BYTES))
        if reasons or answer.status == http.client.CONFLICT or stored < len(files):
            several = sorted(set(reasons))
            shown = [*several[:MAX_REASONS], *(["..."] if len(several) > MAX_REASONS else [])]
            why = f" (reason {', '.join(shown)})" if reasons else ""
            raise DataError(f"{self._address} has stored {stored} of {len(files)} results{why}; see its log")
        return len(files)

    @contextmanager
    def _asked(
        self, method: str, path: str, headers: Mapping[str, str], body: Iterator[bytes] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """Sends a request; the body of the block reads the answer.

        Raises:
            DataError: The archive cannot be reached, or breaks off.
        """
        host, port = self._address.host, self._address.port
        connection = (
            http.client.HTTPConnection(host, port, timeout=SILENT_S)
            if self._tls is None
            else http.client.HTTPSConnection(host, port, timeout=SILENT_S, context=self._tls)
        )
        with closing(connection):
            try:
                connection.request(method, path, body, {**self._headers, **headers})
                with connection.getresponse() as answer:
                    yield answer
            except ssl.SSLCertVerificationError as error:
                raise DataError(
                    f"{self._address} has a certificate that is not trusted ({error.verify_message}); give the one of "
                    "its authority by --tls-authority"
                ) from None
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, OSError) and (error.filename is not None or machine_fault(error) is not None):
                    raise  # a file of ours, or a full disk
                # of an HTTPException only the kind: it may quote the answer
                why = reason_of(error) if isinstance(error, OSError) else type(error).__name__
                raise DataError(f"{self._address} cannot be reached, or breaks off ({why}); try again") from None

    def _fault(self, answer: http.client.HTTPResponse) -> DataError:
        if answer.status in REMEDIES:
            return DataError(f"{self._address} {REMEDIES[answer.status]}")
        if 300 <= answer.status < 400:
            return DataError(f"{self._address} sends elsewhere ({answer.status}); give the address that it leads to")
        return DataError(
            f"{self._address} does not answer as DICOMweb does (status {answer.status}); check the path before /studies"
        )


class _Images:
    """Takes the parts of an answer, and writes those that are images of the study into a folder."""

    def __init__(self, folder: Path, address: Address) -> None:
        self._folder, self._address = folder, address
        self._path, self._size = folder, 0
        self._file: BinaryIO | None = None
        self.images = self.others = 0

    def begin(self, headers: Mapping[str, bytes]) -> None:
        self._path = self._folder / f"{self.images + self.others + 1:05d}.dcm"
        self._file, self._size = self._path.open("xb"), 0

    def data(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_OBJECT_BYTES:
            raise DataError(f"{self._address} sends an object of more than {MAX_OBJECT_BYTES >> 20} MiB")
        if self._file is not None:
            self._file.write(data)

    def end(self) -> None:
        self.close()
        try:
            stated = read_stated(self._path.read_bytes())
        except InputRefused:
            self.images += 1  # it is refused with its reason when it is to be judged
            return
        _, study, series = stated.series
        if study != self._address.study or self._address.series not in (None, series):
            raise DataError(f"{self._address} sends an object of another study or series than was asked for")
        if stated.is_image and not stated.is_answer:
            self.images += 1
            return
        self.others += 1
        self._path.unlink()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _body(heads: Sequence[bytes], files: Sequence[Path], end: bytes) -> Iterator[bytes]:
    for head, path in zip(heads, files, strict=True):
        yield head
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block
        yield b"\r\n"
    yield end


def _outcome(answer: bytes) -> tuple[int, list[str]]:
    """How many objects an archive says that it has stored, and the reasons for which it has not stored others."""
    try:
        tree = json.loads(answer)
        stored = tree.get(STORED, {}).get("Value", [])
        failed = tree.get(FAILED, {}).get("Value", [])
        reasons = [f"0x{int(one.get(REASON, {}).get('Value', [0])[0]) & 0xFFFF:04X}" for one in failed]
        return len(stored) if isinstance(stored, list) else 0, reasons
    except (ValueError, AttributeError, TypeError, LookupError, OverflowError, RecursionError):
        return 0, []
