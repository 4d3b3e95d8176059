"""Stands before every request: known host names, pages for the wall's networks or an office's session, same origin, strict headers."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.sessions import SIGN_IN, Sessions, session_name

_OPEN_TO_MACHINES: Final = ("/api/", "/healthz", "/readyz", "/metrics", "/openapi.json")
"""Answered whatever the network: the API asks for a token, the others tell nothing of persons."""
_SOCKET: Final = "/_nicegui_ws/"
_STYLE: Final = "/assets/"
_OF_OFFICES: Final = ("/_nicegui/", _SOCKET)
"""What an office that signed in may open besides its wall; other pages show everything and are for the wall's networks."""
_PLAIN_POLICY: Final = "default-src 'none'; frame-ancestors 'self'"
_SAME_FOR_ALL: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware; ``names`` are the host names we answer to, ``networks`` those that may see pages without a token.

    It tells the pages in ``scope["institution_id"]`` what they may show: one institution, or everything (empty).
    """

    def __init__(
        self, app: ASGIApp, *, names: Iterable[str], networks: Iterable[IPv4Network | IPv6Network], sessions: Sessions
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._names = frozenset(name.lower().strip("[]") for name in names)
        self._networks = tuple(networks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on and add the headers."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if scope["type"] == "websocket":
            if refusal is None:
                await self._app(scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
            return
        answer = self._app if refusal is None else _refuse(scope["path"], *refusal)
        await answer(scope, receive, _Finish(send))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        # without this a foreign site could point its own name at our address and read the open pages through the browser
        if (urlsplit(f"//{host}").hostname or "") not in self._names:
            return 421, "expected a host name listed in FUNDWATCH_CONSOLE_NAMES, got another one"
        path: str = scope["path"]
        if path.startswith(_OPEN_TO_MACHINES):
            return None
        origin = headers.get("origin")
        # NiceGUI's socket takes any origin, so the same-origin rule is kept here
        if (
            (path.startswith(_SOCKET) or scope.get("method") == "POST")
            and origin is not None
            and urlsplit(origin).netloc != host
        ):
            return 403, "expected a page of this console to open the connection, got another origin"
        if path == SIGN_IN or path.startswith((f"{SIGN_IN}/", _STYLE)):
            return None
        institution_id = self._sessions.institution_of(session_name(headers.get("cookie")))
        if institution_id and path != "/wall" and not path.startswith(_OF_OFFICES):
            return 403, f"expected a page for offices, got another one; leave at {SIGN_IN} first"
        if not institution_id and not self._is_near(scope):
            return (
                403,
                "expected a reader from a network listed in FUNDWATCH_CONSOLE_NETWORKS; "
                f"offices sign in at {SIGN_IN}, the API is open to tokens",
            )
        scope["institution_id"] = institution_id
        return None

    def _is_near(self, scope: Scope) -> bool:
        try:
            address = ip_address(scope["client"][0])
        except (TypeError, ValueError):
            return False
        return any(address in network for network in self._networks)


def _refuse(path: str, status: int, reason: str) -> ASGIApp:
    if path.startswith("/api/"):
        return JSONResponse({"error": "refused", "message": reason}, status)
    return PlainTextResponse(reason, status)


class _Finish:
    """Adds the headers to one response; a page is held back until it is whole, to give its scripts their nonce."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._page: list[bytes] | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SAME_FOR_ALL.items():
                headers[name] = value
            if headers.get("content-type", "").startswith("text/html"):
                self._start, self._page = message, []
                return
            headers["Content-Security-Policy"] = _PLAIN_POLICY
        elif message["type"] == "http.response.body" and self._page is not None and self._start is not None:
            self._page.append(message.get("body", b""))
            if message.get("more_body", False):
                return
            nonce = secrets.token_urlsafe(16)
            # NiceGUI escapes "<" in everything that comes from data, so each "<script" left is one it wrote itself
            page = b"".join(self._page).replace(b"<script", b'<script nonce="' + nonce.encode() + b'"')
            headers = MutableHeaders(scope=self._start)
            headers["Content-Security-Policy"] = _page_policy(nonce)
            headers["Content-Length"] = str(len(page))
            headers["Cache-Control"] = "no-store"
            await self._send(self._start)
            self._page = None
            message = {"type": "http.response.body", "body": page}
        await self._send(message)


def _page_policy(nonce: str) -> str:
    return "; ".join(
        [
            "default-src 'self'",
            # Vue compiles templates in the browser and NiceGUI sends code for its elements: both need eval
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        ]
    )
