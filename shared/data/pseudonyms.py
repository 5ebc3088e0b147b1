"""Pseudonyms of patients, series and images: keyed hashes of their identifiers.

The hash has a key because patient numbers are short: without one, anyone who knows their format could try them all.
The key (the *salt*) stays on the machine that read the data and is never written into a run, so that a pseudonym
cannot be turned back into an identifier. The same salt gives the same pseudonyms, next year or on another machine.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import ConfigError

SALT_VARIABLE = "MEDTL_SALT"
SALT_BYTES = 32
"""256 random bits, half of the longest key that BLAKE2b takes (RFC 7693, section 2.1)."""
MIN_SECRET_CHARACTERS = 16
"""The shortest `MEDTL_SALT` accepted: 64 bits even when it is written in hexadecimal."""
PSEUDONYM_BYTES = 6
"""12 hexadecimal digits: among 100,000 identifiers two collide with a probability of 2 in 100,000."""


@dataclass(frozen=True)
class Pseudonymiser:
    """Turns identifiers into 12 hexadecimal digits by a keyed hash (BLAKE2b).

    Attributes:
        salt: The key, at most 64 bytes; left out of `repr`.
    """

    salt: bytes = field(repr=False)

    @classmethod
    def of_this_user(cls) -> Pseudonymiser:
        """Makes a pseudonymiser with the key of this user.

        The key is read from `MEDTL_SALT`, or else from the user's salt file, which is made if needed.

        Raises:
            ConfigError: `MEDTL_SALT` is too short, or the salt file cannot be made, is damaged, or others can read it.
        """
        return cls(_salt())

    def __call__(self, kind: str, identifier: str) -> str:
        """Returns the pseudonym of an identifier, 12 hexadecimal digits.

        Args:
            kind: What is identified ("patient", "image"): equal identifiers of two kinds have two pseudonyms.
            identifier: The identifier, without regard to surrounding blanks.
        """
        text = f"{kind}\x1f{identifier.strip()}".encode()
        return hashlib.blake2b(text, key=self.salt, digest_size=PSEUDONYM_BYTES).hexdigest()


def salt_file() -> Path:
    """Returns the path of the salt file, whether it exists or not.

    It is `$XDG_CONFIG_HOME/medtl/salt`, by default below `~/.config`.
    """
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "medtl" / "salt"


def _salt() -> bytes:
    secret = os.environ.get(SALT_VARIABLE)
    if secret is not None:
        if len(secret) < MIN_SECRET_CHARACTERS:
            raise ConfigError(
                f"{SALT_VARIABLE} has {len(secret)} characters; give at least {MIN_SECRET_CHARACTERS}, "
                "or unset it to use the salt file"
            )
        return hashlib.blake2b(secret.encode(), digest_size=SALT_BYTES).digest()
    path = salt_file()
    try:
        if not path.exists():
            _create(path)
        return _read(path)
    except OSError as error:
        raise ConfigError(
            f"the salt file {path} cannot be made or read ({type(error).__name__}); "
            f"set {SALT_VARIABLE}, or XDG_CONFIG_HOME to a folder that can be written"
        ) from None


def _create(path: Path) -> None:
    """Writes a new salt to a draft and links it into place: readers see a whole salt, and the first writer wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(SALT_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        # A link, unlike a rename, never replaces: where another process was first, its salt is the one.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _read(path: Path) -> bytes:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise ConfigError(f"the salt file {path} has mode {mode:o}, so others can read it; run: chmod 600 {path}")
    salt = path.read_bytes()
    if len(salt) != SALT_BYTES:
        raise ConfigError(
            f"the salt file {path} has {len(salt)} bytes instead of {SALT_BYTES}; restore it, "
            "or delete it and accept that pseudonyms made before will not come again"
        )
    return salt
