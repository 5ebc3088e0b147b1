"""TLS by files that the hospital gives: of ports that are listened on, and of connections to others.

Source: DICOM PS3.15, annex B (BCP 195 profiles: TLS 1.2 or later).
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from shared.errors import UsageError


@dataclass(frozen=True)
class TlsFiles:
    """The certificate of a node, and whose certificates it trusts.

    Attributes:
        certificate: PEM file with the certificate of this node, and those between it and its authority.
        key: PEM file with its private key, without a password.
        authority: PEM file with the certificates that peers must be signed by. Without it any sender is let in over
            TLS, and a target must be signed by an authority that this machine trusts.
    """

    certificate: Path
    key: Path
    authority: Path | None = None

    @classmethod
    def checked(cls, certificate: Path | None, key: Path | None, authority: Path | None) -> TlsFiles | None:
        """Checks the values of the command line, and returns the files; None where no TLS is asked for.

        Args:
            certificate: Value of `--tls-certificate`.
            key: Value of `--tls-key`.
            authority: Value of `--tls-authority`.

        Raises:
            UsageError: One is given without the others that it needs, or a file cannot be used.
        """
        if certificate is None and key is None and authority is None:
            return None
        if certificate is None or key is None:
            raise UsageError("TLS needs --tls-certificate and --tls-key, the PEM files of this node; give both")
        files = cls(certificate, key, authority)
        files.for_server()
        files.for_client()
        return files

    def for_server(self) -> ssl.SSLContext:
        """Makes the settings of connections that peers open.

        Raises:
            UsageError: A file cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return self._loaded(_bounded(context, self.authority))

    def for_client(self) -> ssl.SSLContext:
        """Makes the settings of connections that this node opens; the target's certificate must name its host.

        Raises:
            UsageError: A file cannot be used.
        """
        return self._loaded(trusting(self.authority))

    def _loaded(self, context: ssl.SSLContext) -> ssl.SSLContext:
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            raise _unusable(f"--tls-certificate {self.certificate} with --tls-key {self.key}", error) from None
        return context


def trusting(authority: Path | None) -> ssl.SSLContext:
    """Makes the settings of connections without a certificate of our own; the one of the host must name it.

    Args:
        authority: PEM file with the certificates that the host must be signed by; None: those that this machine trusts.

    Raises:
        UsageError: The file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is None:
        context.load_default_certs()
    return _bounded(context, authority)


def _bounded(context: ssl.SSLContext, authority: Path | None) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except (OSError, ValueError) as error:
            raise _unusable(f"--tls-authority {authority}", error) from None
    return context


def _no_password() -> str:
    """Stands for the password of a key that has one: a node starts without anybody who could type it."""
    return ""


def _unusable(what: str, error: Exception) -> UsageError:
    if isinstance(error, FileNotFoundError):
        return UsageError(f"{what}: there is no such file")
    reason = getattr(error, "reason", None) or type(error).__name__
    return UsageError(f"{what} cannot be used ({reason}); give PEM files that belong together, a key without password")
