"""Who signed in at the wall of a hospital's insurance office: sessions live here, a browser holds a random name of one."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from streams.access import AccessError, Tokens, UnauthenticatedError

SIGN_IN: Final = "/office"
COOKIE: Final = "fundwatch_office"
LIFETIME: Final = 12 * 3600.0  # seconds: a working day; then the token is asked for again
_KEPT: Final = 1_000  # the oldest make room
_LONGEST_FORM: Final = 2_048


@dataclass(frozen=True)
class _Session:
    header: str
    institution_id: str
    ends: float


class Sessions:
    """Sessions of office clients; a session is worth what its token is worth now, so a withdrawn token ends it at once."""

    def __init__(self, tokens: Tokens | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = tokens
        self._clock = clock
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def open(self, token: str) -> str:
        """The name of a new session; raises AccessError for a token that is unknown or not that of an office."""
        if self._tokens is None:
            raise UnauthenticatedError("no tokens are known here; set FUNDWATCH_TOKENS to a tokens file")
        header = f"Bearer {token}"
        client = self._tokens.authenticate(header).require({"office"})
        name = secrets.token_urlsafe(32)
        self._sessions[_digest(name)] = _Session(header, client.institution_id, self._clock() + LIFETIME)
        while len(self._sessions) > _KEPT:
            self._sessions.popitem(last=False)
        return name

    def close(self, name: str) -> None:
        """End a session; an unknown one is none."""
        self._sessions.pop(_digest(name), None)

    def institution_of(self, name: str) -> str:
        """The institution a session reads, empty if there is no such session now."""
        session = self._sessions.get(_digest(name)) if name else None
        if session is None:
            return ""
        try:
            if self._tokens is not None and self._clock() < session.ends:
                client = self._tokens.authenticate(session.header).require({"office"})
                if client.institution_id == session.institution_id:
                    return session.institution_id
        except AccessError:
            pass
        self.close(name)
        return ""


def session_name(cookies: str | None) -> str:
    """The session a ``Cookie`` header names, or nothing."""
    try:
        found = SimpleCookie(cookies or "").get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def sign_in_pages(sessions: Sessions) -> APIRouter:
    """The form that takes an office's token, and the way out; plain HTML without any script."""
    router = APIRouter(include_in_schema=False)

    @router.get(SIGN_IN)
    async def form() -> Response:
        return HTMLResponse(_FORM.format(notice=""))

    @router.post(SIGN_IN)
    async def enter(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LONGEST_FORM:
                return HTMLResponse(_FORM.format(notice="令牌过长"), 413)
        token = parse_qs(body.decode("ascii", "replace")).get("token", [""])[0].strip()
        try:
            name = sessions.open(token)
        except AccessError:
            return HTMLResponse(_FORM.format(notice="令牌无效，或不是医保办的令牌"), 401)
        answer = RedirectResponse("/wall", 303)
        answer.set_cookie(
            COOKIE, name, max_age=int(LIFETIME), path="/", httponly=True, samesite="strict", secure=_is_secure(request)
        )
        return answer

    @router.post(f"{SIGN_IN}/leave")
    async def leave(request: Request) -> Response:
        sessions.close(session_name(request.headers.get("cookie")))
        answer = RedirectResponse(SIGN_IN, 303)
        answer.delete_cookie(COOKIE, path="/")
        return answer

    return router


def _is_secure(request: Request) -> bool:
    # a header anybody may send can only make the cookie stricter
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", ""))


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


_FORM: Final = """<!doctype html>
<html lang="zh-CN" class="desk">
<head><meta charset="utf-8"><title>医保办登录</title><link rel="stylesheet" href="/assets/console.css"></head>
<body><main class="desk-page"><div class="desk-head"><h1>医保办登录</h1></div>
<form class="desk-card" method="post" action="/office" autocomplete="off">
<p><label>本机构令牌 <input name="token" type="password" size="60" required autofocus></label> <button>进入本机构监控屏</button></p>
<p role="alert">{notice}</p>
</form>
<form class="desk-card" method="post" action="/office/leave"><button>退出登录</button></form>
</main></body></html>
"""
