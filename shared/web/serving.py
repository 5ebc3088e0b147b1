"""Runs the web server until it is stopped."""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Callable
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from shared.errors import cannot_listen
from shared.io.addresses import is_loopback
from shared.web.connections import HEAD_S, BoundedProtocol, PeerLimit
from shared.web.encrypted import EncryptedProtocol
from shared.web.guard import Access

BACKLOG = 1024
"""Connections that wait for the server to accept them."""
JUDGING_S = 600.0
"""Seconds for one upload: more than the longest series takes on a slow machine; a call that takes longer hangs."""


def worker_count() -> int:
    """Returns the number of cores that this process may use, one for each worker."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_server(
    app: ASGIApp,
    access: Access,
    host: str,
    port: int,
    say: Callable[[str], None],
    tls: ssl.SSLContext | None = None,
) -> None:
    """Serves an application until SIGTERM or Ctrl-C.

    Args:
        app: The application.
        access: The rules by which requests are admitted.
        host: Address to listen on.
        port: TCP port; 0: any free one.
        say: Called with the lines that name the address to open.
        tls: Settings of TLS; None: nothing is encrypted.

    Raises:
        UsageError: The server cannot listen on the port.
    """
    # before the address is printed: a reader may open it at once
    with listening(host, port) as opened:
        for line in _lines(access, host, opened.getsockname()[1], is_encrypted=tls is not None):
            say(line)
        make_server(app, tls).run(sockets=[opened])


def make_server(app: ASGIApp, tls: ssl.SSLContext | None = None) -> uvicorn.Server:
    """Makes a server of an application, whose connections are bounded; it runs on sockets that the caller opens.

    Args:
        app: The application.
        tls: Settings of TLS; None: nothing is encrypted.
    """
    config = uvicorn.Config(
        PeerLimit(app),
        http=BoundedProtocol if tls is None else partial(EncryptedProtocol, tls=tls),  # type: ignore[arg-type]
        ws="none",
        access_log=False,  # addresses of requests are private
        log_level=logging.WARNING,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=HEAD_S,
        timeout_graceful_shutdown=3,
    )
    return uvicorn.Server(config)


def listening(host: str, port: int, option: str = "--port") -> socket.socket:
    """Opens the port.

    Args:
        host: Address to listen on.
        port: TCP port; 0: any free one.
        option: Name of the option that the port was given with, for the message.

    Raises:
        UsageError: It is in use, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise cannot_listen(error, host, port, option) from None


def _lines(access: Access, host: str, port: int, *, is_encrypted: bool) -> list[str]:
    shown = f"[{host}]" if ":" in host else host
    address = f"{'https' if is_encrypted else 'http'}://{shown}:{port}/"
    opened = [f"open {address}?token={access.token}"]
    if is_loopback(host):
        return opened
    risk = "" if is_encrypted else ", and nothing is encrypted: for trusted networks only"
    return [*opened, f"anyone with this address can read all uploads{risk}"]
