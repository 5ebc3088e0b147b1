"""Published weights: downloaded once into torch's cache, or placed there, and checked against a hash in their name."""

from __future__ import annotations

import http.client
import logging
import os
import re
import sys
import urllib.error
from pathlib import Path

import torch

from shared.errors import WeightsError
from shared.io.atomic import file_hash
from shared.io.download import reason_of
from shared.models.backbones.record import BackboneRecord

log = logging.getLogger(__name__)

HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,})$")
"""Beginning of the SHA-256 at the end of a file's name, as torch's hub writes it."""


def cached_path(record: BackboneRecord) -> Path:
    """Returns the path of the published weights of a backbone in torch's cache, whether they are there or not.

    Args:
        record: Record of the backbone.

    Raises:
        WeightsError: No weights of this backbone are published.
    """
    return Path(torch.hub.get_dir()) / "checkpoints" / _address(record).rsplit("/", 1)[1]


def download_weights(record: BackboneRecord) -> Path:
    """Downloads the published weights of a backbone unless torch's cache has them.

    Args:
        record: Record of the backbone.

    Returns:
        Path of the file in torch's cache.

    Raises:
        WeightsError: None are published, they have to be fetched by hand, the download failed, or the file does not
            have the hash in its name.
    """
    url, path = _address(record), cached_path(record)
    folder = path.parent
    named = HASH_IN_NAME.search(path.stem)
    digest = named.group(1) if named else ""
    if path.is_file():
        if not file_hash(path).startswith(digest):
            raise WeightsError(
                f"{path} is not the file its name says: its SHA-256 does not begin with {digest}; "
                f"fetch it anew from {url}, or name other weights with backbone.weights=FILE"
            )
        return path
    if record.by_hand is not None:
        raise WeightsError(
            f"the weights of {record.name} are not on this machine: {record.by_hand}; place {path.name} from {url} in "
            f"{folder} by hand, or name a file with backbone.weights=FILE"
        )
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    log.info("fetching %s", url)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(partial), hash_prefix=digest, progress=sys.stderr.isatty())
        partial.replace(path)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        raise WeightsError(
            f"the ImageNet weights of {record.name} could not be fetched ({reason_of(error)}); "
            f"place {path.name} from {url} in {folder} by hand, or name a file with backbone.weights=FILE"
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return path


def _address(record: BackboneRecord) -> str:
    if record.weights_url is None:
        raise WeightsError(
            f"no download of ImageNet weights is known for {record.name}; "
            "backbone.weights is packaged, random, a .pth or .safetensors file, or a finished run"
        )
    return record.weights_url()
