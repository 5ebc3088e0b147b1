"""Where images lie in an archive, and by which right they are asked for; neither is ever told to others."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass
from pathlib import Path

from medtl.dicom.values import UID_FORM
from shared.errors import UsageError
from shared.io.addresses import check_port, is_loopback

CREDENTIALS_VARIABLE = "MEDTL_DICOMWEB_CREDENTIALS"
FORM = "dicomwebs://HOST[:PORT]/PATH/studies/UID[/series/UID]"
SCHEMES = {"dicomweb": False, "http": False, "dicomwebs": True, "https": True}
"""Schemes of addresses, and whether they stand for TLS."""
ADDRESS = re.compile(
    r"(?P<scheme>[a-z]+)://(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<root>(?:/[A-Za-z0-9._~%-]+)*?)/studies/(?P<study>[0-9.]+)(?:/series/(?P<series>[0-9.]+))?/?"
)
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""Source: RFC 6750, section 2.1."""


@dataclass(frozen=True)
class Address:
    """A study or series in an archive.

    Attributes:
        is_secure: Whether it is reached over TLS.
        host: Name or address of the archive; an IPv6 address without brackets.
        port: Its TCP port.
        root: Path of its DICOMweb service; empty, or with a slash before each part.
        study: Study Instance UID.
        series: Series Instance UID; None: all series of the study.
    """

    is_secure: bool
    host: str
    port: int
    root: str
    study: str
    series: str | None

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parses an address from text.

        Args:
            text: `dicomweb://HOST:PORT/PATH/studies/UID` or `.../series/UID`; `dicomwebs` stands for TLS.

        Raises:
            UsageError: The text has another form; what it says is not repeated.
        """
        found = ADDRESS.fullmatch(text)
        if found is None and "@" in text:
            raise UsageError(
                f"--from takes no user and password: other users of this machine see them; set {CREDENTIALS_VARIABLE}, "
                "or give --credentials"
            )
        uids = [] if found is None else [uid for uid in (found["study"], found["series"]) if uid is not None]
        if found is None or found["scheme"] not in SCHEMES or not all(map(UID_FORM.fullmatch, uids)):
            raise UsageError(f"--from is no address of a study or series; give {FORM}, or dicomweb:// without TLS")
        is_secure = SCHEMES[found["scheme"]]
        port = check_port(int(found["port"]), "--from") if found["port"] else (443 if is_secure else 80)
        return cls(is_secure, found["six"] or found["host"], port, found["root"], found["study"], found["series"])

    def __str__(self) -> str:
        """Names the archive, without the UIDs, which lead to a patient."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_secure else 'http'}://{host}:{self.port}"

    @property
    def study_path(self) -> str:
        """Path of the study, to which results are sent."""
        return f"{self.root}/studies/{self.study}"

    @property
    def path(self) -> str:
        """Path of the series, or of the study where there is none."""
        return self.study_path if self.series is None else f"{self.study_path}/series/{self.series}"


def authorization(address: Address, file: Path | None) -> dict[str, str]:
    """Makes the header that carries credentials; empty where there are none.

    Args:
        address: The archive that they are for.
        file: File with them; None: those of the environment.

    Raises:
        UsageError: They are no credentials, other users can read the file, or they would be sent unencrypted to another
            machine.
    """
    text = os.environ.get(CREDENTIALS_VARIABLE) if file is None else _private_text(file)
    if text is None:
        return {}
    name, text = (CREDENTIALS_VARIABLE if file is None else f"--credentials {file}"), text.strip()
    if not address.is_secure and not is_loopback(address.host):
        raise UsageError(
            f"{name}: they would be sent to {address.host} unencrypted; give a dicomwebs:// address, or no credentials"
        )
    if ":" in text and text.isprintable():
        return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}
    if TOKEN.fullmatch(text):
        return {"Authorization": f"Bearer {text}"}
    raise UsageError(f"{name}: these are no credentials; they are USER:PASSWORD or a token, in one line")


def _private_text(file: Path) -> str:
    if not file.is_file():
        raise UsageError(f"--credentials {file}: there is no such file")
    if file.stat().st_mode & 0o077:
        raise UsageError(f"--credentials {file}: other users can read it; run: chmod 600 {file}")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
