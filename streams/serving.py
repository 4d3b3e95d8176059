"""Serves an ASGI application over HTTP until the process is told to stop; the gateway's and the console's way."""

from __future__ import annotations

import asyncio
import signal
import socket
from types import FrameType
from typing import Any, cast

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = structlog.get_logger(__name__)


class _OneWrite:
    """A transport that sends what is written in one turn of the loop at once: head and body of an answer are two packets otherwise."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            asyncio.get_running_loop().call_soon(self._flush)
        self._held.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
            self._held.clear()
            self._transport.write(data)


class _Protocol(HttpToolsProtocol):
    def connection_made(self, transport: Any) -> None:
        super().connection_made(cast(Any, _OneWrite(transport)))


def config(app: Any, *, grace: int, **own: Any) -> uvicorn.Config:
    """How both services run: our logs, no word of the server; ``grace`` seconds for what is open at the end, ``own`` uvicorn's options."""
    return uvicorn.Config(
        app, loop="uvloop", http=_Protocol,
        log_config=None, access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=grace, **own
    )  # fmt: skip


def serve(served: uvicorn.Config, host: str, port: int, *, name: str, backlog: int) -> int:
    """Serve on an address until SIGTERM or SIGINT; returns the exit code, 1 if the port cannot be had.

    ``name`` stands before the events in the log and in the setting ``FUNDWATCH_<NAME>_PORT``.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        log.error(
            f"{name}.not_started",
            reason=f"expected to listen on {host}:{port}, got: {error.strerror}; free the port or set FUNDWATCH_{name.upper()}_PORT",
        )
        return 1
    # uvicorn raises the signal again after it has stopped; without these handlers a clean stop would look like a crash
    signal.signal(signal.SIGTERM, _already_stopped)
    signal.signal(signal.SIGINT, _already_stopped)
    server = uvicorn.Server(served)
    log.info(f"{name}.listening", host=host, port=listening.getsockname()[1])
    with listening:
        server.run(sockets=[listening])
    log.info(f"{name}.stopped")
    return 0 if server.started else 1


def _already_stopped(_signal: int, _frame: FrameType | None) -> None:
    """Nothing is left to do."""
