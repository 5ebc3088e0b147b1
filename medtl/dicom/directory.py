"""Whether a folder or zip still has the files that a DICOMDIR in it lists: a disc that was copied in part has not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePosixPath

from medtl.dicom.reader import read_file_ids
from medtl.dicom.scan import SeriesFiles, folder_of
from shared.errors import DataError, InputRefused
from shared.io.archives import SEPARATOR, read_source

NAME = "DICOMDIR"


def note_missing(series: Sequence[SeriesFiles], sources: Sequence[str]) -> None:
    """Notes at each series how many files its folders lack of those that a DICOMDIR among the sources lists.

    Folders that are missing as a whole hold other series, which nobody has to copy. Files are counted and not compared
    by name, for programs that copy discs rename them.

    Args:
        series: The series that were found; their notes are changed in place.
        sources: All files of the folder or zip.
    """
    if not any(source.upper().endswith(NAME) for source in sources):
        return
    listed, there = Counter[str](), Counter[str]()
    for source in sources:
        name = PurePosixPath(source.rpartition(SEPARATOR)[2]).name
        if name.upper() != NAME:
            there[folder_of(source).upper()] += 1
        else:
            with suppress(DataError, InputRefused):
                home = source.removesuffix(name)
                listed.update(folder_of(home + "/".join(parts)).upper() for parts in read_file_ids(read_source(source)))
    for one in series:
        folders = {folder.upper() for folder in one.folders()}
        if lack := sum(max(0, listed[folder] - there[folder]) for folder in folders):
            one.notes.append(
                f"{lack} of {sum(listed[folder] for folder in folders)} files that the DICOMDIR lists in the folder of "
                "this series are missing: a slice may be among them"
            )
