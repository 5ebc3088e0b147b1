"""Reading files by name from folders and zip archives alike, within bounds.

A *source* is a path, or `archive.zip::member`. Nothing is unpacked to disk, so a path inside an archive cannot leave
it; sizes are checked against the archive's directory before a byte is decompressed.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath

from shared.errors import DataError, UsageError

SEPARATOR = "::"
MAX_FILE_BYTES = 1 << 30
"""1 GiB. The largest clinical objects (Enhanced multi-frame MR) stay well below."""
MAX_ARCHIVE_BYTES = 64 << 30
"""64 GiB unpacked: above any study, below a zip bomb."""
MAX_ARCHIVE_MEMBERS = 1_000_000
FREE_BYTES = 64 << 20
"""Bytes to which any file may unpack: a mask or a blank volume shrinks to nothing, and this much does no harm."""
MAX_RATIO = 100
"""Times its packed size to which a larger file may unpack. Images shrink to about a tenth; Deflate can reach 1032."""
FAULTS_SHOWN = 5
"""Faults that a message quotes; the rest is counted."""
SIDE_FILES = frozenset({".csv", ".txt", ".json", ".md", ".html", ".xml", ".pdf", ".yaml", ".yml", ".log"})
"""Suffixes of files that are never images: skipped in folders, refused when named on the command line."""


def is_zip(path: Path) -> bool:
    """Whether `path` is a file that starts and ends like a zip archive."""
    return path.is_file() and zipfile.is_zipfile(path)


def is_archive(path: Path) -> bool:
    """Whether a file is a zip archive; False where it is missing or cannot be read.

    An image may end with a zip, but does not start like one.
    """
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(2) == b"PK" and is_zip(path)
    except OSError:
        return False


def require_paths(paths: Iterable[Path], advice: str) -> None:
    """Checks that all paths exist, before any of them is read.

    Args:
        paths: Paths that the user gave.
        advice: What may be given, for the message.

    Raises:
        UsageError: A path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist; give {advice}")


def list_sources(root: Path) -> list[str]:
    """Lists all files below a folder, or all members of a zip.

    Hidden files and the folder `__MACOSX` that macOS adds to archives are left out; links are not followed.

    Args:
        root: The folder or zip.

    Returns:
        A source for each file, `root/name` or `root::member`, sorted by name.

    Raises:
        DataError: `root` does not exist, is no folder or zip, cannot be listed, or the archive breaks a bound.
    """
    if SEPARATOR in str(root):
        raise DataError(f"{root} has {SEPARATOR!r} in its name, which separates an archive from its member; rename it")
    try:
        if root.is_dir():
            names = (p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and not p.is_symlink())
            return [str(root / name) for name in sorted(names) if not _is_clutter(name)]
        if is_zip(root):
            return [f"{root}{SEPARATOR}{name}" for name in sorted(_members(root)) if not _is_clutter(name)]
        if not root.exists():
            raise DataError(f"{root} does not exist; give a folder, a .zip or a manifest .csv")
    except OSError as error:
        raise DataError(f"{root.name} cannot be listed ({type(error).__name__})") from None
    raise DataError(f"{root} is neither a folder nor a zip archive")


def archive_bytes(path: Path) -> tuple[int, int]:
    """Reads from a zip's directory how much it unpacks to; nothing is unpacked.

    Args:
        path: The zip.

    Returns:
        Number of bytes of all files together, and number of files.

    Raises:
        DataError: It is damaged or breaks a bound.
    """
    members = _members(path).values()
    return sum(info.file_size for info in members), len(members)


def most_unpacked(packed: int) -> int:
    """Returns how many bytes may be unpacked from `packed` bytes, so that a small file cannot fill the memory."""
    return min(MAX_FILE_BYTES, max(FREE_BYTES, MAX_RATIO * packed))


def is_side_file(source: str, suffixes: Collection[str] = SIDE_FILES) -> bool:
    """Whether a file is no image, by the suffix of its name in any case.

    Args:
        source: A path, or `archive.zip::member`.
        suffixes: Suffixes of files that are no images, in lower case with their dot.
    """
    return PurePosixPath(source).suffix.lower() in suffixes


def nothing_to_judge(passed_over: int) -> str:
    """Writes the refusal of a folder or zip without any image, as the rest of a sentence ("contains nothing that ...").

    Args:
        passed_over: Number of files that are no images, shown in brackets; 0: not shown.
    """
    others = f" ({passed_over} other files)" if passed_over else ""
    return f"contains nothing that can be judged{others}"


def relative_name(source: str, root: Path) -> PurePosixPath:
    """Returns the name of a file relative to a folder or a zip, with slashes.

    Args:
        source: The file, a path or `archive.zip::member`.
        root: The folder or zip that it lies in.
    """
    if SEPARATOR in source:
        return PurePosixPath(source.split(SEPARATOR, 1)[1])
    return PurePosixPath(Path(source).relative_to(root).as_posix())


def join(root: Path, name: str) -> str:
    """Returns the source of a file, `root::name` where `root` is a zip and else `root/name`, whether it exists or not.

    Args:
        root: The folder or zip.
        name: Name of the file relative to it.
    """
    return f"{root}{SEPARATOR}{name}" if is_zip(root) else str(root / name)


def exists(source: str) -> bool:
    """Whether a file exists.

    Args:
        source: A path, or `archive.zip::member`; a folder counts as none.
    """
    archive, separator, member = source.partition(SEPARATOR)
    if not separator:
        return Path(source).is_file()
    return is_zip(Path(archive)) and member in _members(Path(archive))


def read_source(source: str) -> bytes:
    """Reads the bytes of one file or member of an archive.

    Args:
        source: A path, or `archive.zip::member`.

    Raises:
        DataError: The source is missing, too large, or its archive is damaged. The message does not name the source,
            because its name may identify a patient; `naming` adds it where the user must find the file.
    """
    archive, separator, member = source.partition(SEPARATOR)
    try:
        if not separator:
            status = Path(source).stat()
            if not stat.S_ISREG(status.st_mode):
                raise DataError("is no regular file")  # a pipe may never end
            _check_size(status.st_size)
            return Path(source).read_bytes()
        info = _members(Path(archive)).get(member)
        if info is None:
            raise DataError(f"{Path(archive).name} has no member of that name")
        _check_size(info.file_size)
        if info.file_size > (most := most_unpacked(info.compress_size)):
            raise DataError(f"unpacks to {info.file_size} bytes, as no image of its size does; at most {most} are read")
        with _archive(Path(archive), _stamp(Path(archive)), os.getpid()).open(info) as stream:
            return stream.read(info.file_size)
    except DataError:
        raise
    except Exception as error:  # zipfile raises nearly every kind on hostile bytes, struct.error and IndexError too
        raise DataError(f"cannot be read: it is missing, damaged or encrypted ({type(error).__name__})") from None


@contextmanager
def naming(source: str) -> Iterator[None]:
    """Adds the name of the source to a `DataError` that the `with` block raises, so that the user finds the file.

    For the terminal only: a file name may be that of a patient, and must not enter a file of a run.

    Raises:
        DataError: The block raised one.
    """
    try:
        yield
    except DataError as error:
        # As repr: the name of a member of an untrusted archive may hold line breaks and control characters.
        raise DataError(f"{error}, in {source!r}") from None


def hash_sources(sources: Iterable[str]) -> str:
    """Computes one SHA-256 over the bytes of all sources, in the order given; returns 64 hexadecimal digits.

    Args:
        sources: Paths, or `archive.zip::member`.

    Raises:
        DataError: A source cannot be read; the message names it.
    """
    total = hashlib.sha256()
    for source in sources:
        with naming(source):
            total.update(hashlib.sha256(read_source(source)).digest())
    return total.hexdigest()


def faults_error(what: str, faults: Sequence[str]) -> DataError:
    """Makes one error of all faults found in a collection: their number, and the first few in full.

    Args:
        what: What the faults have in common ("rows of labels.csv are wrong").
        faults: At least one line, each with the place of its fault.
    """
    more = f"; and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
    return DataError(f"{len(faults)} {what}: " + "; ".join(faults[:FAULTS_SHOWN]) + more)


def _check_size(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise DataError(f"is {size} bytes; at most {MAX_FILE_BYTES} are read")


def _is_clutter(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _members(path: Path) -> dict[str, zipfile.ZipInfo]:
    return _directory(path, _stamp(path))


@lru_cache(maxsize=8)
def _archive(path: Path, stamp: tuple[int, int], process: int) -> zipfile.ZipFile:
    """Keeps an archive open, once for each process: forked workers would share the position in one file."""
    return zipfile.ZipFile(path)


@lru_cache(maxsize=8)
def _directory(path: Path, stamp: tuple[int, int]) -> dict[str, zipfile.ZipInfo]:
    try:
        # a member without a name cannot be asked for, and zipfile's `is_dir` fails on it
        named = [info for info in _archive(path, stamp, os.getpid()).infolist() if info.filename]
        infos = [info for info in named if not info.is_dir()]
    except Exception as error:  # as in `read_source`
        raise DataError(
            f"{path.name} is a damaged zip archive ({type(error).__name__}): copy or download it again"
        ) from None
    if len(infos) > MAX_ARCHIVE_MEMBERS or sum(info.file_size for info in infos) > MAX_ARCHIVE_BYTES:
        raise DataError(
            f"{path.name} unpacks to more than {MAX_ARCHIVE_BYTES >> 30} GiB or {MAX_ARCHIVE_MEMBERS} files"
        )
    return {info.filename: info for info in infos if not _is_link(info)}


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)
