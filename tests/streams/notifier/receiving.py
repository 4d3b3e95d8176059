"""A receiver of webhooks on loopback that behaves as it is told, and keeps what it got."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

Behaviour = str | Callable[[int], str]
"""ok, 500, 410, 429 (Retry-After 1), redirect, hang, reset, rubbish, huge, drip; or robot: and the JSON to answer."""


@dataclass
class Got:
    """One request."""

    target: str
    headers: dict[str, str]
    body: bytes
    answered: str
    at: float


@dataclass
class Receiving:
    """The server: ``behaviour`` is asked for every request with its number from 0."""

    behaviour: Behaviour = "ok"
    got: list[Got] = field(default_factory=list)
    connections: int = 0
    cut: int = 0
    """Connections the other side closed while we were still answering."""
    sent: int = 0
    port: int = 0
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._numbers: Iterator[int] = itertools.count()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def taken(self) -> list[Got]:
        """What was answered with ok."""
        return [one for one in self.got if one.answered == "ok" or one.answered.startswith("robot:")]

    async def __aenter__(self) -> Receiving:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while True:
                    await self._one(reader, writer)
        finally:
            self._open.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *rest = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        number = next(self._numbers)
        how = self.behaviour(number) if callable(self.behaviour) else self.behaviour
        self.got.append(Got(first.split()[1], headers, body, how, asyncio.get_running_loop().time()))
        if how == "hang":
            await asyncio.sleep(3_600)
        if how == "reset":
            writer.transport.abort()
            raise ConnectionError
        if how == "rubbish":
            writer.write(b"\x00\xff\x13 no http at all\r\n\r\n")
        elif how in ("huge", "drip"):
            await self._long(writer, b"x" * 65_536 if how == "huge" else b"x", 0.0 if how == "huge" else 0.05)
        elif how.startswith("robot:"):
            _answer(writer, "200 OK", how.removeprefix("robot:").encode())
        elif how == "redirect":
            _answer(writer, "302 Found", b"", f"Location: http://127.0.0.1:{self.port}/elsewhere\r\n")
        elif how == "429":
            _answer(writer, "429 Too Many Requests", b"", "Retry-After: 1\r\n")
        else:
            _answer(writer, "200 OK" if how == "ok" else f"{how} Something", b"{}")
        await writer.drain()

    async def _long(self, writer: asyncio.StreamWriter, chunk: bytes, pause: float) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while True:
                writer.write(chunk)
                self.sent += len(chunk)
                await writer.drain()
                await asyncio.sleep(pause)
        except ConnectionError:
            self.cut += 1
            raise


def _answer(writer: asyncio.StreamWriter, status: str, body: bytes, more: str = "") -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body)
