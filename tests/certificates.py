"""Certificates that tests make."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from shared.io.tls import TlsFiles

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs Debian's openssl")


def made(folder: Path, name: str) -> TlsFiles:
    """A certificate that is its own authority, and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    words += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*words, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return TlsFiles(certificate, key, certificate)
