"""The gateway process: serves until SIGTERM or SIGINT, then lets open requests end and brings what is kept to safety."""

from __future__ import annotations

import signal
import socket
import ssl
from types import FrameType
from typing import Final

import structlog
import uvicorn

from clickhouse.settings import StoreSettings
from detectors.errors import DetectorError
from streams.access import BadTokensError
from streams.gateway.app import build
from streams.gateway.settings import GatewaySettings

_BACKLOG: Final = 1_024
_KEEP_ALIVE_SECONDS: Final = 75
"""HIS keep their connections; a handshake per audit would cost more than the audit."""

log = structlog.get_logger(__name__)


def main(settings: GatewaySettings, store: StoreSettings) -> int:
    """Serve; returns the exit code: 2 for settings that cannot be meant, 1 if the port cannot be had."""
    try:
        app = build(settings, store)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            # an open request ends by its deadline; what hangs longer is a client that does not read
            timeout_graceful_shutdown=int(
                max(settings.gateway_outpatient_seconds, settings.gateway_inpatient_seconds) + 2
            ),
            ssl_certfile=settings.gateway_tls_cert,
            ssl_keyfile=settings.gateway_tls_key,
        )
        config.load()
    except (BadTokensError, DetectorError) as error:
        log.error("gateway.not_started", reason=str(error))
        return 2
    except (OSError, ssl.SSLError) as error:
        log.error(
            "gateway.not_started",
            reason=f"expected a PEM certificate and its key, got: {error.strerror or type(error).__name__};"
            " correct FUNDWATCH_GATEWAY_TLS_CERT and FUNDWATCH_GATEWAY_TLS_KEY",
        )
        return 2
    host, port = settings.gateway_host, settings.gateway_port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        log.error(
            "gateway.not_started",
            reason=f"expected to listen on {host}:{port}, got: {error.strerror}; free the port or set FUNDWATCH_GATEWAY_PORT",
        )
        return 1
    # uvicorn raises the signal again after it has stopped; without these handlers a clean stop would look like a crash
    signal.signal(signal.SIGTERM, _already_stopped)
    signal.signal(signal.SIGINT, _already_stopped)
    server = uvicorn.Server(config)
    log.info("gateway.listening", host=host, port=listening.getsockname()[1])
    with listening:
        server.run(sockets=[listening])
    log.info("gateway.stopped")
    return 0 if server.started else 1


def _already_stopped(_signal: int, _frame: FrameType | None) -> None:
    """Nothing is left to do."""
