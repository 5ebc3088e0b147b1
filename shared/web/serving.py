"""A server that runs until it is stopped."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from shared.errors import UsageError
from shared.web.guard import Access

MAX_AT_ONCE = 128
"""Requests that are served at the same time; more are answered 503."""
JUDGING_S = 600.0
"""More than the longest series takes on a slow machine; what takes longer hangs."""


def worker_count() -> int:
    """As many workers as there are cores for them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_server(app: ASGIApp, access: Access, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Args:
        app: What is served.
        access: To it.
        host: Address to listen on.
        port: TCP port; 0: any free one.
        say: Is called with the lines that tell where it can be opened.

    Raises:
        UsageError: The port cannot be listened on.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,  # addresses of requests are nobody's business
        log_level=logging.WARNING,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_AT_ONCE,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
    )
    try:
        socket = config.bind_socket()
    except (OSError, SystemExit):
        raise UsageError(f"{host} port {port} cannot be listened on; choose another by --port") from None
    try:
        socket.listen(config.backlog)  # before it is told: who hears of the address may call at once
        for line in _lines(access, host, socket.getsockname()[1]):
            say(line)
        uvicorn.Server(config).run(sockets=[socket])
    finally:
        socket.close()


def _lines(access: Access, host: str, port: int) -> list[str]:
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}/"
    if access.open:
        return [f"open {address} (this machine only; programs send the header `Authorization: Bearer {access.token}`)"]
    return [
        f"open {address}?token={access.token}",
        "whoever has this address can read what is uploaded; the connection is not encrypted: trusted networks only",
    ]
