"""The node over TLS, with certificates that this test makes."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from medtl.node.transport import Entity
from shared.errors import UsageError
from shared.io.tls import TlsFiles
from tests.certificates import made, needs_openssl
from tests.medtl.node.test_listener import until


def echoes(port: int, tls: ssl.SSLContext) -> bool:
    entity = AE()
    entity.add_requested_context(Verification)
    association = entity.associate("127.0.0.1", port, tls_args=(tls, "127.0.0.1"))
    status = association.send_c_echo().get("Status")
    association.release()
    return bool(status == 0)


def is_let_in(port: int, tls: ssl.SSLContext) -> bool:
    """Whether hands were shaken, so that the node waits for what comes."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 2) as plain,
            tls.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            connection.recv(1)
    except TimeoutError:
        return True
    except OSError:
        return False
    return False


@needs_openssl
def test_peers_of_the_authority_are_let_in_and_others_are_not(tmp_path: Path) -> None:
    ours, others = made(tmp_path, "ours"), made(tmp_path, "others")
    entity = Entity()
    entity.acse_timeout = 3
    entity.add_supported_context(Verification)
    server = entity.start_server(("127.0.0.1", 0), block=False, ssl_context=ours.for_server())
    port = server.server_address[1]
    try:
        with socket.create_connection(("127.0.0.1", port)):  # one that never shakes hands keeps nobody waiting
            assert echoes(port, ours.for_client())
            assert is_let_in(port, ours.for_client())
            assert not is_let_in(port, TlsFiles(others.certificate, others.key, ours.certificate).for_client())
            assert not is_let_in(port, others.for_client())  # trusts another node
            assert echoes(port, ours.for_client())
    finally:
        server.shutdown()
        assert until(lambda: not any("AcceptorThread" in one.name for one in threading.enumerate()), 15)


@needs_openssl
def test_a_target_is_trusted_by_the_given_authority_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, others = made(tmp_path, "ours"), made(tmp_path, "others")
    monkeypatch.setenv("SSL_CERT_FILE", str(others.certificate))  # what this machine trusts
    assert len(ours.for_client().get_ca_certs()) == 1
    assert not TlsFiles(ours.certificate, ours.key).for_server().get_ca_certs()
    assert TlsFiles(ours.certificate, ours.key).for_client().get_ca_certs()


@needs_openssl
def test_files_that_cannot_be_used_are_said(tmp_path: Path) -> None:
    ours, others = made(tmp_path, "ours"), made(tmp_path, "others")
    assert TlsFiles.checked(None, None, None) is None
    with pytest.raises(UsageError, match="give both"):
        TlsFiles.checked(ours.certificate, None, None)
    with pytest.raises(UsageError, match="there is no such file"):
        TlsFiles.checked(tmp_path / "none.pem", ours.key, None)
    with pytest.raises(UsageError, match=r"--tls-key .*others\.key cannot be used"):
        TlsFiles.checked(ours.certificate, others.key, None)
    with pytest.raises(UsageError, match=r"--tls-authority .*ours\.key cannot be used"):
        TlsFiles.checked(ours.certificate, ours.key, ours.key)
