"""Reading files by name from folders and zip archives alike, within bounds.

A *source* is a path, or `archive.zip::member`. Nothing is unpacked to disk, so a path inside an archive cannot leave
it; sizes are checked against the archive's directory before a byte is decompressed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import re
import stat
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

from shared.errors import DataError, UsageError
from shared.io.kinds import HEAD_BYTES, document_of, identify, stated_suffix
from shared.io.structure import check_directory

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
READ_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
"""Ways of packing that Python's zipfile can undo."""
METHOD_NAMES = {9: "Deflate64", 20: "Zstandard", 93: "Zstandard", 95: "xz", 96: "JPEG", 98: "PPMd"}
"""Other ways by number; Windows packs files of 2 GiB and more by Deflate64. Source: APPNOTE.TXT 6.3.9, 4.4.5."""
AES = 99
"""The method that members encrypted by AES state. Source: APPNOTE.TXT 6.3.9, 4.4.5, and the AE-x specification."""
ENCRYPTED = 1
"""The flag of encrypted members. Source: APPNOTE.TXT 6.3.9, 4.4.4, bit 0."""
LINK_OUTSIDE = "is a link that leads out of the folder and was not followed; give the place that it leads to"
LINK_NOWHERE = "is a link that leads nowhere: what it stands for is missing; copy or fetch it"
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


@dataclass(frozen=True)
class Listed:
    """The files below a folder or in a zip.

    Attributes:
        sources: A source for each file, `root/name` or `root::member`, sorted by name.
        unread: What lies below the folder and was not read (links that lead out of it or nowhere, closed folders), each
            with the reason; sorted.
    """

    sources: list[str]
    unread: list[tuple[str, str]]


def list_sources(root: Path) -> list[str]:
    """Lists all files below a folder, or all members of a zip: the `sources` of `list_all`.

    Args:
        root: The folder or zip.

    Raises:
        DataError: As `list_all`.
    """
    return list_all(root).sources


def list_all(root: Path) -> Listed:
    """Lists all files below a folder, or all members of a zip, and what was not read.

    Hidden files and the folder `__MACOSX` that macOS adds to archives are left out. Links are followed within the
    folder; a file that several names lead to is listed once, by its own name where that is not hidden.

    Args:
        root: The folder or zip.

    Raises:
        DataError: `root` does not exist, is no folder or zip, cannot be listed, is encrypted, or the archive breaks a
            bound.
    """
    if SEPARATOR in str(root):
        raise DataError(f"{root} has {SEPARATOR!r} in its name, which separates an archive from its member; rename it")
    try:
        if root.is_dir():
            return _walk(root)
        if is_zip(root):
            members = _members(root)
            if document := document_of(list(members), _head(root)):
                raise DataError(f"{root.name} {document.reason}")
            return Listed([f"{root}{SEPARATOR}{name}" for name in sorted(members) if not _is_clutter(name)], [])
        if not root.exists():
            raise DataError(f"{root} does not exist; give a folder, a .zip or a manifest .csv")
        kind = identify(_head(root))
        if kind is not None and kind.way_out:
            raise DataError(f"{root} {kind.reason}")
    except OSError as error:
        raise DataError(f"{root.name} cannot be listed ({type(error).__name__})") from None
    raise DataError(f"{root} is neither a folder nor a zip archive; give a folder, a .zip or a manifest .csv")


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
    return stated_suffix(source).lower() in suffixes


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
            path = Path(source)
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise DataError("is no regular file")  # a pipe may never end
            _check_size(status.st_size)
            return path.read_bytes()
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
    except OSError as error:
        raise DataError(f"cannot be read: {_cause(error)} ({type(error).__name__})") from None
    except Exception as error:  # zipfile raises nearly every kind on hostile bytes, struct.error and IndexError too
        raise DataError(f"cannot be read: it is damaged ({type(error).__name__})") from None


def read_head(source: str) -> bytes:
    """Reads the first bytes of one file or member of an archive, at most `HEAD_BYTES`, however large it is.

    Args:
        source: A path, or `archive.zip::member`.

    Returns:
        The bytes; empty where it cannot be read.
    """
    archive, separator, member = source.partition(SEPARATOR)
    try:
        if not separator:
            return _head(Path(source)) if Path(source).is_file() else b""
        with _archive(Path(archive), _stamp(Path(archive)), os.getpid()).open(
            _members(Path(archive))[member]
        ) as stream:
            return stream.read(HEAD_BYTES)
    except Exception:  # as in `read_source`
        return b""


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


def without_name(message: str) -> str:
    """Takes the name away that `naming` added to a message, so that a file of a run may show it."""
    return re.split(r", in ['\"]", message, maxsplit=1)[0]


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
    return any((part.startswith(".") and part != ".") or part == "__MACOSX" for part in name.split("/"))


def _cause(error: OSError) -> str:
    """Why the system does not give a file: that is no damage of the file, and the remedy is another one."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many files are open; close other programs, or allow more (ulimit -n)"
    if error.errno == errno.ENOENT:
        return "it is missing"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "you may not read it; ask its owner"
    return "it is damaged, or its disk is"


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES)


def _walk(root: Path) -> Listed:
    """Lists a folder: first what lies in it, then what links lead to. Each folder is entered once, so cycles end."""
    top = root.resolve(strict=True)
    walk = _Walk(root)
    walk.enter(root)
    own = dict(walk.files)
    while walk.links:
        link = walk.links.pop(0)
        target = _target(link)
        if target is None:
            walk.unread.append((str(link), LINK_NOWHERE))
        elif not target.is_relative_to(top):
            walk.unread.append((str(link), LINK_OUTSIDE))
        elif target.is_dir():
            walk.enter(link)
        elif target.is_file():
            walk.files.setdefault(target, link)
    found = {**walk.files, **own}
    return Listed(sorted(map(str, found.values())), sorted(walk.unread))


@dataclass
class _Walk:
    """What was found so far below a folder: files by their true paths, links, folders that were entered."""

    root: Path
    files: dict[Path, Path] = field(default_factory=dict)
    links: list[Path] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    entered: set[Path] = field(default_factory=set)

    def enter(self, folder: Path) -> None:
        """Adds all that lies below a folder; hidden files are passed over."""
        waiting = [folder]
        while waiting:
            place = waiting.pop()
            true = place.resolve()
            if true not in self.entered:
                self.entered.add(true)
                waiting += self._folders_in(place, true)

    def _folders_in(self, place: Path, true: Path) -> list[Path]:
        folders = []
        try:
            entries = sorted(os.scandir(place), key=lambda one: one.name)
        except OSError as error:
            if place == self.root:
                raise
            self.unread.append((str(place), f"cannot be listed: {_cause(error)}"))
            return []
        for entry in entries:
            if _is_clutter(entry.name):
                continue
            path = place / entry.name
            if entry.is_symlink():
                self.links.append(path)
            elif entry.is_dir():
                folders.append(path)
            elif entry.is_file():
                self.files.setdefault(true / entry.name, path)
        return folders


def _target(link: Path) -> Path | None:
    """The file or folder that a link leads to; None where it leads nowhere, or in a circle."""
    with suppress(OSError, RuntimeError):
        return link.resolve(strict=True)
    return None


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
        with path.open("rb") as stream:
            check_directory(stream, MAX_ARCHIVE_MEMBERS)
        listed = _archive(path, stamp, os.getpid()).infolist()
    except DataError as error:
        raise DataError(f"{path.name} {error}") from None
    except Exception as error:  # as in `read_source`
        raise DataError(
            f"{path.name} is a damaged zip archive ({type(error).__name__}): copy or download it again"
        ) from None
    if any(info.header_offset < 0 for info in listed):
        raise DataError(f"{path.name} is a zip archive whose beginning is missing; download or copy it again")
    # a member without a name cannot be asked for, and one with a slash at its end is a folder
    named = [(name, info) for info in listed if (name := _member_name(info.filename))]
    infos = [(name, info) for name, info in named if not info.filename.endswith(("/", "\\"))]
    if len(infos) > MAX_ARCHIVE_MEMBERS or sum(info.file_size for _, info in infos) > MAX_ARCHIVE_BYTES:
        raise DataError(
            f"{path.name} unpacks to more than {MAX_ARCHIVE_BYTES >> 30} GiB or {MAX_ARCHIVE_MEMBERS} files"
        )
    _check_packing(path, [info for _, info in infos])
    members: dict[str, zipfile.ZipInfo] = {}
    for name, info in infos:
        if name in members and members[name].filename != info.filename:
            raise DataError(f"{path.name} has two members of one name; pack it again")
        members[name] = info  # of one member that was written twice the later one counts, as where it is unpacked
    return {name: info for name, info in members.items() if not _is_link(info)}


def _member_name(name: str) -> str:
    """The name of a member with slashes, without detours, and never out of the archive; "" where nothing is left.

    Windows' own programs wrote backslashes (.NET before 4.6.1); such a name is one of several folders, for which `/`
    is prescribed. Source: APPNOTE.TXT 6.3.9, 4.4.17.
    """
    normal = posixpath.normpath(name.replace("\\", "/")).lstrip("/")
    while normal.startswith("../"):
        normal = normal[3:]
    return "" if normal in (".", "..") else normal


def _check_packing(path: Path, infos: Sequence[zipfile.ZipInfo]) -> None:
    """Refuses an archive as a whole that cannot be read in part: a slice could be among what is not read.

    Raises:
        DataError: Members are encrypted, or packed in a way that is not read.
    """
    if secret := sum(bool(info.flag_bits & ENCRYPTED) or info.compress_type == AES for info in infos):
        which = "" if secret == len(infos) else f" ({secret} of its {len(infos)} files)"
        raise DataError(
            f"{path.name} is protected by a password{which}; unpack it with the password, and give the folder"
        )
    if other := sorted({info.compress_type for info in infos} - set(READ_METHODS)):
        name = METHOD_NAMES.get(other[0], f"method {other[0]}")
        raise DataError(f"{path.name} is packed by {name}, which is not read; unpack it, and give the folder")


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)
