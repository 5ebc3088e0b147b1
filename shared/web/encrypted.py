"""Connections over TLS that count as silent while hands are shaken.

asyncio shakes hands before it makes the connection of a server: for a minute nobody counts it, and a peer that opens
many and says nothing takes all file descriptors of the process.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from shared.web.connections import HEAD_S, BoundedProtocol


class EncryptedProtocol(BoundedProtocol):
    """An HTTP connection over TLS, with the bounds of one that is not encrypted, also before it is.

    Args:
        arguments: What uvicorn's `H11Protocol` takes.
        tls: Settings of TLS.
        options: What it takes by name.
    """

    def __init__(self, *arguments: Any, tls: ssl.SSLContext, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._tls = tls
        self._shaking: asyncio.Task[None] | None = None
        self._early: bytearray | None = bytearray()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a request, and to shake hands where that was not done yet."""
        super().connection_made(transport)
        if self._shaking is None:
            transport.pause_reading()
            self._shaking = self.loop.create_task(self._shake_hands(transport))

    def data_received(self, data: bytes) -> None:
        """Takes what was decrypted; what comes with the last words of the handshake waits for its end."""
        if self._early is None:
            super().data_received(data)
        else:
            self._early += data

    async def _shake_hands(self, plain: asyncio.Transport) -> None:
        encrypted = None
        try:
            encrypted = await self.loop.start_tls(
                plain, self, self._tls, server_side=True, ssl_handshake_timeout=HEAD_S
            )
        except OSError:  # also what ssl raises
            plain.abort()
        if encrypted is None:  # also where it was closed meanwhile
            self.connection_lost(ConnectionAbortedError())
            return
        self.connection_made(encrypted)
        early, self._early = bytes(self._early or b""), None
        if early:
            self.data_received(early)
