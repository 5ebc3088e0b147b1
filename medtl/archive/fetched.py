"""Images that were fetched from an archive, in a private folder that is deleted when they are done with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from medtl.archive.address import Address, authorization
from medtl.archive.client import Archive
from shared.errors import UsageError
from shared.io.private_folders import claim_folder, uploads_root
from shared.io.tls import trusting


class Fetched:
    """The images of a study or series, fetched when this is made; leaving the `with` block deletes them.

    Args:
        address: Where they lie, as `Address.parse` takes it.
        credentials: File with USER:PASSWORD or a token; None: those of the environment, where there are any.
        authority: PEM file with the certificates that the archive must be signed by; None: those that this machine
            trusts.

    Attributes:
        images: Folder of the images.
        results: Folder for results, made by who writes them.
        name: Address of the archive, without UIDs.
        names: What answers say in place of the folder of the images: for `predict(..., names=...)`.

    Raises:
        UsageError: The address, the credentials or the certificates cannot be used.
        OSError: The images cannot be kept here; the error names no file of the private folder.
        DataError: The archive cannot be reached, does not have the images, or sends something else.
    """

    def __init__(self, address: str, credentials: Path | None = None, authority: Path | None = None) -> None:
        place = Address.parse(address)
        if authority is not None and not place.is_secure:
            raise UsageError("--tls-authority is for an archive over TLS; give a dicomwebs:// address, or leave it out")
        headers = authorization(place, credentials)
        self._archive = Archive(place, headers, trusting(authority) if place.is_secure else None)
        # any command deletes it at its start where this process was killed
        self._folder, self._lock = claim_folder(uploads_root())
        self.images, self.results = self._folder / "images", self._folder / "results"
        self.name = str(place)
        self.names: dict[str | os.PathLike[str], str] = {self.images: self.name}
        try:
            self.images.mkdir(mode=0o700)
            self._archive.fetch(self.images)
        except BaseException as error:
            self._leave(error)
            raise

    def store(self, files: Sequence[Path] | None = None) -> int:
        """Stores results in the study that the images are from, and returns their number, which may be 0.

        Args:
            files: DICOM files; None: all in `results`.

        Raises:
            DataError: The archive cannot be reached, or does not take all of them.
        """
        given = sorted(self.results.glob("*.dcm")) if files is None else files
        return self._archive.store(given) if given else 0

    def close(self) -> None:
        """Deletes the images and results."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    def __enter__(self) -> Fetched:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        """Deletes all; an error that names a file of it names the folder above, whose disk may be full."""
        if isinstance(error, OSError) and str(error.filename).startswith(str(self._folder)):
            error.filename = str(self._folder.parent.parent)
        self.close()
