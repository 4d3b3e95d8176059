"""Stands before every request: headers, size and form of the body, how often a client may come, and who it is."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any, Final

import orjson
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.access import AccessError, BadTokensError, Client, ForbiddenError, Role, Tokens, UnauthenticatedError
from streams.errors import StreamsError

DEEPEST: Final = 32
"""Levels of a body; the national envelope has seven."""
_BODY_SECONDS: Final = 10.0
_BUCKETS: Final = 10_000
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
_FORMS: Final = {
    "application/json": "json",
    "text/json": "json",
    "application/xml": "xml",
    "text/xml": "xml",
}

log = structlog.get_logger(__name__)


class Refused(StreamsError):  # noqa: N818  says what happened to the request
    """A request is not served: HTTP ``status``, the ``reason`` counted, the ``field`` (or header) it is about."""

    def __init__(self, status: int, reason: str, field: str, message: str, retry_after: int = 0) -> None:
        super().__init__(message)
        self.status, self.reason, self.field, self.message, self.retry_after = (
            status, reason, field, message, retry_after,
        )  # fmt: skip


class Rate:
    """A token bucket per caller: ``rate`` a second for long, ``burst`` at once."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, float(burst), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """One request of ``caller``; raises Refused (429) when it comes too often."""
        now = self._clock()
        left, at = self._buckets.pop(caller, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        self._buckets[caller] = (left - 1 if left >= 1 else left, now)
        if len(self._buckets) > _BUCKETS:
            self._buckets.popitem(last=False)
        if left < 1:
            raise Refused(
                429, "rate", "Authorization",
                f"expected at most {self._rate:g} requests a second from this client, got more; wait and send again",
                retry_after=max(1, round((1 - left) / self._rate)),
            )  # fmt: skip


class Doors:
    """Who may come in, and how often."""

    def __init__(self, tokens: Tokens | None, rate: Rate) -> None:
        self._tokens, self._rate = tokens, rate

    def admit(self, request: Request, roles: Collection[Role]) -> Client:
        """The client behind a request; raises Refused with 401, 403, 429 or 503."""
        try:
            if self._tokens is None:
                raise UnauthenticatedError("no tokens are known here; set FUNDWATCH_TOKENS to a tokens file")
            client = self._tokens.authenticate(request.headers.get("authorization"))
            self._rate.take(client.name)
            return client.require(roles)
        except ForbiddenError as error:
            raise Refused(403, "forbidden", "Authorization", str(error)) from None
        except BadTokensError as error:
            log.error("gateway.tokens_unreadable", reason=str(error))
            raise Refused(
                503, "tokens", "Authorization", "the tokens cannot be read now; the operator finds why in the log", 5
            ) from None
        except AccessError as error:
            # guesses are limited too: by where they come from, since nobody is behind them yet
            self._rate.take(f"from {request.client.host if request.client else 'nowhere'}")
            raise Refused(401, "unauthenticated", "Authorization", str(error)) from None


def form_of(request: Request) -> str:
    """``json`` or ``xml``, by the content type; raises Refused (415)."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    form = _FORMS.get(kind.strip().lower())
    if form is None:
        raise Refused(
            415,
            "content_type",
            "Content-Type",
            "expected application/json, application/xml or text/xml, got another one",
        )
    charset = parameters.lower().replace(" ", "").replace('"', "").partition("charset=")[2].partition(";")[0]
    if form == "json" and charset not in ("", "utf-8", "utf8"):
        raise Refused(415, "content_type", "Content-Type", "expected charset utf-8, got another one")
    return form


async def read_body(request: Request, most: int) -> bytes:
    """The body, read no further than allowed; raises Refused (400, 408, 413)."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > most:
        raise _too_large(most)
    parts, size = [], 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_large(most)
                parts.append(part)
    except TimeoutError:
        raise Refused(
            408, "slow", "Content-Length", f"expected the whole body within {_BODY_SECONDS:g} s, it did not come"
        ) from None
    except ClientDisconnect:
        raise Refused(400, "disconnected", "Content-Length", "expected the whole body, the client went away") from None
    return b"".join(parts)


def _too_large(most: int) -> Refused:
    return Refused(413, "size", "Content-Length", f"expected a body of at most {most} bytes, got more")


def read_json(data: bytes) -> Any:
    """A body as a JSON value of bounded depth; raises Refused (400)."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refused(
            400, "json", "body", f"expected one JSON object in UTF-8, it breaks off at character {error.pos}"
        ) from None
    check_depth(value)
    return value


def check_depth(value: object) -> None:
    """Raise Refused (400) for a value nested deeper than any message is."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise Refused(400, "depth", "body", f"expected at most {DEEPEST} levels of nesting, got more")


class Headers:
    """ASGI middleware: the same protective headers on every answer. ``secure``: it is spoken over TLS."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        told = _HEADERS | ({"Strict-Transport-Security": "max-age=31536000"} if secure else {})
        self._headers = [(name.lower().encode(), value.encode()) for name, value in told.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and put the headers on the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def finish(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message["headers"]
                message["headers"] = [*own, *self._headers]
                if all(name != b"content-security-policy" for name, _ in own):
                    message["headers"].append((b"content-security-policy", _POLICY))
            await send(message)

        await self._app(scope, receive, finish)
