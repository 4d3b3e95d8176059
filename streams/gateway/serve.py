"""The gateway process: serves until SIGTERM or SIGINT, then lets open requests end and brings what is kept to safety."""

from __future__ import annotations

import gc
import ssl
from typing import Final

import structlog

from clickhouse.settings import StoreSettings
from detectors.errors import DetectorError
from streams import serving
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
        served = serving.config(
            app,
            # an open request ends by its deadline; what hangs longer is a client that does not read
            grace=int(max(settings.gateway_outpatient_seconds, settings.gateway_inpatient_seconds) + 2),
            ws="none",
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            ssl_certfile=settings.gateway_tls_cert,
            ssl_keyfile=settings.gateway_tls_key,
        )
        served.load()
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
    # what is loaded lives as long as the process; requests leave few cycles behind
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    return serving.serve(served, settings.gateway_host, settings.gateway_port, name="gateway", backlog=_BACKLOG)
