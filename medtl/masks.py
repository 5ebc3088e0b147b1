"""Files that are masks by their names: drawings of findings beside the images, and no scans to learn from or judge."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from medtl.nifti import is_volume
from shared.io.pictures import is_picture

_WORDS = (
    r"(?:masks?|masken?|masques?|mascaras?|mascher[ae]|seg(?:mentations?|mented)?|ground[ _.-]?truths?|gt|rois?"
    r"|contours?|annotations?)"
)
_NUMBER = r"[ _.-]?(?:\(?[0-9]{1,3}\)?)?"
_FILE = re.compile(rf"(?:.*[ _.)-])?{_WORDS}{_NUMBER}|.*[ _.-]labels?|(?:masks?|segmentations?)[ _.-]?[0-9]+")
"""`case1_mask`, `BraTS-0001-seg`, `benign (3)_mask_1`, `x_label` (3D Slicer, nnU-Net), `mask_0017`."""
_CAMEL = re.compile(r".*[a-z0-9)](?:Mask|Seg|Segmentation|Label)")
_FOLDER = re.compile(r"(?:.*[ _.-])?(?:masks?|segmentations?|ground[ _.-]?truths?)")
_SUFFIXES = re.compile(r"(?:\.nii)?\.[a-z0-9]+$", re.IGNORECASE)


def is_mask(name: str) -> bool:
    """Says whether a picture or volume is a mask, by its name or that of a folder (`masks/`, `yes_mask/`).

    A DICOM file says itself what it is, so its name does not count.

    Args:
        name: File name with slashes, relative to the folder or zip that was given.
    """
    if not (is_picture(name) or is_volume(name)):
        return False
    path = PurePosixPath(name)
    stem = _SUFFIXES.sub("", path.name)
    if _FILE.fullmatch(stem.lower()) or _CAMEL.fullmatch(stem):
        return True
    return any(_FOLDER.fullmatch(folder.lower()) for folder in path.parts[:-1])
