"""Serves an ASGI application over HTTP until the process is told to stop; the gateway's and the console's way."""

from __future__ import annotations

import signal
import socket
from types import FrameType
from typing import Any

import structlog
import uvicorn

log = structlog.get_logger(__name__)


def config(app: Any, *, grace: int, **own: Any) -> uvicorn.Config:
    """How both services run: our logs, no word of the server; ``grace`` seconds for what is open at the end, ``own`` uvicorn's options."""
    return uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=grace, **own
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
