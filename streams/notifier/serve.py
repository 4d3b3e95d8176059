"""The notifier process: delivers until SIGTERM or SIGINT; health, metrics and Grafana's webhook over HTTP. And the order to send again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from aiokafka.errors import KafkaError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from clickhouse.deliveries import DeliverySink
from clickhouse.settings import StoreSettings
from detectors.errors import DetectorError
from detectors.reference import Reference as ReferenceFiles
from schemas.topics import DELIVERIES
from streams import serving
from streams.errors import BrokerError, StreamsError
from streams.gateway.lines import close, expect_topics
from streams.notifier import grafana
from streams.notifier.deliver import Reference
from streams.notifier.guard import Guard
from streams.notifier.ledger import Ledger, Reader
from streams.notifier.log import AttemptSink, DeliveryLog
from streams.notifier.meters import NotifierMeters
from streams.notifier.notifier import Notifier
from streams.notifier.receivers import BadReceiversError, Receivers
from streams.notifier.records import Delivery, Key, Resend
from streams.notifier.settings import NotifierSettings
from streams.sending import Sender

_BACKLOG: Final = 128
_MOST_BODY: Final = 1024 * 1024
_GRACE_SECONDS: Final = 5

log = structlog.get_logger(__name__)


def main(settings: NotifierSettings, store: StoreSettings) -> int:
    """Serve; returns the exit code: 2 for settings or files that cannot be meant, 1 if the port cannot be had."""
    try:
        app = build(settings, DeliverySink(store) if settings.notifier_store else None)
    except (BadReceiversError, DetectorError) as error:
        log.error("notifier.not_started", reason=str(error))
        return 2
    served = serving.config(app, grace=_GRACE_SECONDS, ws="none")
    return serving.serve(served, settings.notifier_host, settings.notifier_port, name="notifier", backlog=_BACKLOG)


def build(settings: NotifierSettings, sink: AttemptSink | None) -> Starlette:
    """The application; the notifier runs while it does. Raises BadReceiversError or DetectorError for files that cannot be read."""
    guard, meters = Guard(settings.webhook_allow), NotifierMeters()
    receivers = Receivers(settings.webhooks, guard)
    notifier = Notifier(settings, receivers, read_reference(settings.institutions), guard, meters)
    zone, secret = ZoneInfo(settings.timezone), settings.grafana_webhook_secret.get_secret_value()

    @asynccontextmanager
    async def running(_: Starlette) -> AsyncIterator[None]:
        notifier.start()
        log.info("notifier.receivers", names=sorted(receivers.current))
        storing = None
        if sink is not None:
            storing = asyncio.create_task(
                DeliveryLog(settings.kafka, settings.topics, sink, session=settings.notifier_session_seconds).run()
            )
        try:
            yield
        finally:
            await notifier.stop()
            if storing is not None:
                storing.cancel()
                await asyncio.wait((storing,), timeout=_GRACE_SECONDS)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_: Request) -> Response:
        if notifier.stands:
            return PlainTextResponse("ok")
        return PlainTextResponse(f"expected a connection to Kafka: {notifier.reason}", 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(meters.registry), media_type=CONTENT_TYPE_LATEST)

    async def hook(request: Request) -> Response:
        try:
            body = await _body(request)
            headers, now = request.headers, time.time()
            grafana.check(secret, body, headers.get(grafana.SIGNATURE, ""), headers.get(grafana.STAMP, ""), now)
            alerts = list(grafana.alerts(body, now, zone))
        except grafana.BadHookError as error:
            return JSONResponse({"error": str(error)}, error.status)
        try:
            for alert in alerts:
                await notifier.post(alert)
        except RuntimeError as error:
            return JSONResponse({"error": str(error)}, 503)
        return JSONResponse({"taken": len(alerts)})

    routes = [
        Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics), Route("/grafana", hook, methods=["POST"]),
    ]  # fmt: skip
    return Starlette(routes=routes, lifespan=running)


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BODY:
            raise grafana.BadHookError(413, f"expected at most {_MOST_BODY} bytes")
    return body


def read_reference(institutions: Path | None) -> Reference:
    """Names and areas of the reference file (None: nothing is known). Raises DetectorError."""
    found = ReferenceFiles.load(institutions).institutions
    return Reference({key: one.name for key, one in found.items()}, {key: one.area for key, one in found.items()})


async def resend(settings: NotifierSettings, receiver: str = "") -> int:
    """Order that what was given up be sent again, to one receiver or (empty) to all; returns how many alerts that are now.

    The notifiers carry it out, at their next start if none runs. Raises StreamsError for an unknown receiver, a topic that is not as
    it must be, or a broker that does not answer.
    """
    known = Receivers(settings.webhooks, Guard(settings.webhook_allow)).current
    if receiver and receiver not in known:
        raise StreamsError(
            f"expected a receiver of {settings.webhooks}, got {receiver!r}; it has {', '.join(sorted(known)) or 'none'}"
        )
    try:
        states = await _order(settings, Resend(receiver))
    except KafkaError as error:
        raise BrokerError(
            f"expected Kafka at {settings.kafka}, got: {error}; start it or correct FUNDWATCH_KAFKA"
        ) from None
    given_up = Counter(one.receiver for one in states if one.state == "given_up" and not one.members)
    return sum(count for name, count in given_up.items() if receiver in ("", name))


async def _order(settings: NotifierSettings, order: Resend) -> list[Delivery]:
    """Write an order; returns the deliveries as they stood before it."""
    topics = settings.topics
    await expect_topics(settings.kafka, settings.partitions, topics.name(DELIVERIES))
    states: dict[Key, Delivery] = {}
    reader = Reader(settings.kafka, topics, range(settings.partitions))
    sender = Sender(settings.kafka)
    try:
        await reader.start()
        async for _, record in reader.past():
            if isinstance(record, Delivery):
                states[record.key] = record
        await sender.start()
        ledger = Ledger(topics, sender)
        writing = asyncio.create_task(ledger.run())
        await ledger.order(order)
        writing.cancel()
    finally:
        await close(reader, sender)
    return list(states.values())
