"""Bounds of the web server's connections: what is silent is closed, and one peer cannot keep the others out.

uvicorn waits without end for the head of a request, and counts a connection that never sends one as work.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 30
"""Seconds for the head of a request, from the connection or the end of the request before it."""
UNREAD_S = 60
"""Seconds for a client to read some of an answer that waits for it."""
MAX_SILENT = 64
"""Largest number of connections without a request. Above it the oldest of the peer that has most of them is closed: a
client that means it asks at once, and connects again."""
MAX_AT_ONCE, MAX_OF_PEER = 128, 96
"""Requests that are served at the same time, of all peers and of one; further ones get status 503."""
BUSY_S = "2"
"""Seconds after which a client that got status 503 may ask again."""


class BoundedProtocol(H11Protocol):
    """An HTTP connection that is closed when it is silent or reads nothing too long, or others need its place.

    Args:
        arguments: What uvicorn's `H11Protocol` takes.
        options: What it takes by name.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a request, and makes room among those that wait."""
        super().connection_made(transport)
        self._wait_for_head()
        silent = [one for one in self.connections if isinstance(one, BoundedProtocol) and one.is_silent]
        if len(silent) > MAX_SILENT:
            (peer, _), *_ = Counter(one.peer for one in silent).most_common(1)
            min((one for one in silent if one.peer == peer), key=BoundedProtocol.waits_until).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops waiting."""
        self._stop_waiting()
        self._stop_unread()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begins to wait for the client, which has not read what was sent."""
        super().pause_writing()
        self._stop_unread()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Stops to wait for the client, which has read."""
        self._stop_unread()
        super().resume_writing()

    def handle_events(self) -> None:
        """Handles what has arrived, and stops to wait once the head of a request is among it."""
        super().handle_events()
        if not self.is_silent:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Begins to wait for the next request."""
        self._wait_for_head()
        super().on_response_complete()

    @property
    def is_silent(self) -> bool:
        """Whether no request is in progress, and the connection not closed yet."""
        return (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing()

    @property
    def peer(self) -> str:
        """Address of the peer; empty where it has none."""
        return self.client[0] if self.client else ""

    def waits_until(self) -> float:
        """Time of the event loop at which the connection is closed for its silence; that of the oldest is first."""
        return self._deadline.when() if self._deadline else 0.0

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(HEAD_S, self.transport.abort)

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class PeerLimit:
    """Answers with status 503 what is more than `MAX_AT_ONCE` requests, or `MAX_OF_PEER` of one address.

    Args:
        app: The application that answers the others.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._requests = app, Counter[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, as ASGI defines it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        peer = (scope.get("client") or ("",))[0]
        if self._requests.total() >= MAX_AT_ONCE or self._requests[peer] >= MAX_OF_PEER:
            busy = JSONResponse({"detail": "the server is busy; try again soon"}, 503, {"retry-after": BUSY_S})
            await busy(scope, receive, send)
            return
        self._requests[peer] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._requests[peer] -= 1
            if not self._requests[peer]:
                del self._requests[peer]
