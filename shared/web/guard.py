"""Access control of the web server: token, CSRF, allowed host names, and security headers of every response.

It is plain ASGI around the whole application, so that no route can be forgotten and no body is buffered. Starlette's
`TrustedHostMiddleware` is not used: it answers 400 in plain text, and older releases cannot read an IPv6 host.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import traceback
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import PurePath
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import ConfigError
from shared.io.addresses import is_loopback

logger = logging.getLogger(__name__)

TOKEN_VARIABLE = "MEDTL_TOKEN"
MIN_TOKEN_CHARACTERS = 16
"""64 bits even when it is written in hexadecimal."""
TOKEN_BYTES = 32
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing. Source: RFC 9110, section 9.2.1."""
CSRF_HEADER = "x-csrf-token"
TOKEN_QUERY = "token"
EVERYWHERE = ("0.0.0.0", "::", "")
"""Addresses that mean all interfaces: the names by which clients call this machine are not known then."""

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""Policy of reports, which contain their style and pictures and have no script."""
HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
"""Source: OWASP, HTTP Security Response Headers Cheat Sheet. `no-store`: scans stay out of the browser's cache."""

ENTRANCE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Token needed</title></head><body>
<h1>This page needs a token</h1><p>The server printed it when it started.</p>
<form method="get" action="/"><label>Token <input name="token" type="password" autocomplete="off" required></label>
<button>Open</button></form></body></html>"""


@dataclass(frozen=True)
class Access:
    """The rules by which requests are admitted.

    Attributes:
        token: The secret of this server, printed where it was started. It is needed on a loopback address too, which
            every user of this machine can reach.
        hosts: Host names that requests may state; empty: any. A foreign name that leads here (DNS rebinding) would let
            a foreign page read ours.
    """

    token: str = field(repr=False)
    hosts: frozenset[str]

    @classmethod
    def for_host(cls, host: str) -> Access:
        """Makes the rules of a server, with the token of `MEDTL_TOKEN` or else a new one.

        Args:
            host: Address that the server listens on.

        Raises:
            ConfigError: `MEDTL_TOKEN` is too short.
        """
        token = os.environ.get(TOKEN_VARIABLE)
        if token is None:
            token = secrets.token_urlsafe(TOKEN_BYTES)
        elif len(token) < MIN_TOKEN_CHARACTERS:
            raise ConfigError(
                f"{TOKEN_VARIABLE} has {len(token)} characters; give at least {MIN_TOKEN_CHARACTERS}, or unset it to "
                "get a new one"
            )
        local = ("localhost",) if is_loopback(host) else ()
        names = frozenset() if host in EVERYWHERE else frozenset({host.lower(), *local})
        return cls(token, names)

    def derived(self, purpose: str) -> str:
        """Derives a value that cannot be made without the token, 64 hexadecimal digits; another one for each purpose.

        Args:
            purpose: Word that names the use ("csrf").
        """
        return hmac.new(self.token.encode(), purpose.encode(), hashlib.sha256).hexdigest()

    @property
    def csrf(self) -> str:
        """The value that our pages send with every request that changes something, 64 hexadecimal digits."""
        return self.derived("csrf")


def equal_secrets(given: str, expected: str) -> bool:
    """Whether two secrets are equal; compared in constant time.

    Args:
        given: Text from a request.
        expected: The secret.
    """
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


class Guard:
    """Admits the requests that `Access` allows, and adds `HEADERS` to every response.

    Args:
        app: The guarded application.
        access: The rules of admission.
        cookie: Name of the cookie that replaces the token after its first use.
    """

    def __init__(self, app: ASGIApp, access: Access, cookie: str) -> None:
        self.app, self.access, self.cookie = app, access, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def armed(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in present),
                ]
                began.append(True)
            await send(message)

        began: list[bool] = []
        try:
            await (self._refusal(scope) or self.app)(scope, receive, armed)
        except Exception as error:
            # without its message and address, which may quote a patient
            logger.error("a request failed: %s at %s", type(error).__name__, _place(error))
            if not began:
                await _refused(500, "this request failed; the server's log has the reason")(scope, receive, armed)

    def _refusal(self, scope: Scope) -> Response | None:
        """Returns the response to a request that is not admitted; None: the application answers."""
        headers = Headers(scope=scope)
        if self.access.hosts and _name(headers.get("host", "")) not in self.access.hosts:
            return _refused(421, "this host name is not allowed; use the address that the server printed")
        if (entered := self._entering(scope, headers)) is not None:
            return entered
        bearer = self._has_bearer(headers)
        if not (bearer or self._has_cookie(headers)):
            if "text/html" in headers.get("accept", ""):
                return HTMLResponse(ENTRANCE, 401)
            return _refused(
                401, "a token is needed, as `Authorization: Bearer TOKEN`; the server printed it when it started"
            )
        proven = bearer or equal_secrets(headers.get(CSRF_HEADER, ""), self.access.csrf)
        if scope["method"] not in SAFE_METHODS and not proven:
            return _refused(403, "the request did not come from a page of this server; reload it, or send the token")
        return None

    def _entering(self, scope: Scope, headers: Headers) -> Response | None:
        """Answers a page request with the token in its address: sets a cookie, and redirects without the token."""
        fields = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in fields if name == TOKEN_QUERY]
        if scope["method"] != "GET" or not given:
            return None
        if not equal_secrets(given[0], self.access.token):
            return HTMLResponse(ENTRANCE, 401)
        rest = urlencode([(name, value) for name, value in fields if name != TOKEN_QUERY])
        # One slash: an address that starts with two would lead to another host.
        place = "/" + scope["path"].lstrip("/\\")
        answer = RedirectResponse(f"{place}?{rest}" if rest else place, 303)
        session = self.access.derived("session")
        is_secure = scope.get("scheme") == "https"
        answer.set_cookie(self.cookie, session, httponly=True, samesite="strict", path="/", secure=is_secure)
        return answer

    def _has_bearer(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and equal_secrets(given.strip(), self.access.token)

    def _has_cookie(self, headers: Headers) -> bool:
        try:
            held = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return False
        return held is not None and equal_secrets(held.value, self.access.derived("session"))


def _name(host: str) -> str:
    """Returns the name in a Host header, without its port and without the brackets of IPv6."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _place(error: Exception) -> str:
    """Returns the file and line in which an error was raised, without values."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{PurePath(last.filename).name}:{last.lineno}"


def _refused(status: int, reason: str) -> JSONResponse:
    headers = {"www-authenticate": "Bearer"} if status == 401 else None  # RFC 9110, section 11.6.1
    return JSONResponse({"detail": reason}, status, headers)
