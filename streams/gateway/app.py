"""The gateway as an ASGI application: routes, their guard, and one way out for everything that goes wrong."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, cast

import orjson
import structlog
from fastapi import FastAPI, Path, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from clickhouse.settings import StoreSettings
from detectors.reference import Reference
from streams.access import Client, Role, load_tokens
from streams.gateway import faces
from streams.gateway.asking import Asker
from streams.gateway.calls import (
    FORBIDDEN,
    INTERNAL,
    MALFORMED,
    MSGID_REUSED,
    TOO_LARGE,
    TOO_MANY_REQUESTS,
    UNAUTHENTICATED,
    UNSUPPORTED_MEDIA_TYPE,
    BadMessage,
)
from streams.gateway.described import describe_routes
from streams.gateway.guard import Doors, Headers, Rate, Refused, check_depth, form_of, read_body, read_json
from streams.gateway.kept import Kept, LogReader
from streams.gateway.pages import describe
from streams.gateway.records import LogWriter
from streams.gateway.reminder import PatientView, plain, view
from streams.gateway.settings import GatewaySettings
from streams.gateway.store import Findings
from streams.gateway.transactions import Arrival, Face, Outcome, Transactions
from streams.gateway.watch import Threshold, UnknownThresholdError, Watch

AUDITORS: Final[frozenset[Role]] = frozenset({"his"})
PATIENT_READERS: Final[frozenset[Role]] = frozenset({"his", "office", "supervisor", "admin"})
WATCHERS: Final[frozenset[Role]] = frozenset({"supervisor", "admin"})
_CONNECT_SECONDS: Final = 5.0
"""How long the start waits for Kafka before it serves without: audits are undecided then, and ``/readyz`` says so."""
_FLUSH_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 1.0
_JSON: Final = "application/json; charset=utf-8"
_XML: Final = {"xml": "application/xml; charset=utf-8", "soap": "text/xml; charset=utf-8"}
_INFCODES: Final = {
    401: UNAUTHENTICATED, 403: FORBIDDEN, 413: TOO_LARGE, 429: TOO_MANY_REQUESTS, 415: UNSUPPORTED_MEDIA_TYPE,
    500: INTERNAL, 503: INTERNAL,
}  # fmt: skip
_INFNOS: Final = ("3101", "3102", "3103")
_NATIONAL: Final = "/api/31"
_NO_SUCH_PATH: Final = "expected a path and method of /openapi.json, got another one"
_STATUSES: Final = {TOO_LARGE: 413, MSGID_REUSED: 409}

log = structlog.get_logger(__name__)


class Change(BaseModel):
    """What to change about a threshold; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    value: float | None = Field(default=None, ge=0, le=1e9, allow_inf_nan=False, description="the new limit")
    on: bool | None = Field(default=None, description="false: never raises an alarm")


class Limit(BaseModel):
    """A threshold as it is now."""

    name: str
    meaning: str
    value: float
    on: bool
    measured: float
    alarm: bool
    since: str | None = Field(description="when it was crossed, yyyy-MM-dd HH:mm:ss; null while it is kept")


@dataclass(frozen=True)
class Gateway:
    """The parts of one gateway."""

    settings: GatewaySettings
    asker: Asker
    kept: Kept
    reader: LogReader
    writer: LogWriter
    watch: Watch
    doors: Doors
    transactions: Transactions
    listed: Reference
    findings: Findings | None

    async def start(self) -> None:
        """Connect, waiting a little; what is away then is taken up when it comes."""
        for line in (self.asker, self.reader, self.writer):
            line.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.asker.connected(_CONNECT_SECONDS))
            group.create_task(self.reader.loaded(_CONNECT_SECONDS))

    async def stop(self) -> None:
        """Answer what is open as undecided, bring what is kept to safety, disconnect."""
        await self.asker.stop()
        await self.reader.stop()
        await self.writer.flush(_FLUSH_SECONDS)
        await self.writer.stop()
        if self.findings is not None:
            self.findings.close()


class _App(FastAPI):
    """FastAPI, but for the national transactions: its layers cost more than a third of an audit, and none of them is needed there."""

    straight: Mapping[str, ASGIApp] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        straight = self.straight.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        await (straight or super().__call__)(scope, receive, send)


def _straight(gateway: Gateway, infno: str) -> ASGIApp:
    async def transaction(scope: Scope, receive: Receive, send: Send) -> None:
        response = await _national(gateway, Request(scope, receive), infno, soap=False)
        await response(scope, receive, send)

    return transaction


def build(settings: GatewaySettings, store: StoreSettings | None = None) -> FastAPI:
    """A gateway; nothing is connected before its lifespan begins. Without ``store`` only answers at hand can be fed back on.

    Raises BadTokensError for the tokens file and detectors' ReferenceFileError for the institutions.
    """
    gateway = _assemble(settings, store)
    secure = settings.gateway_tls_cert is not None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await gateway.start()
        looking = asyncio.create_task(_look(gateway.watch))
        yield
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        await gateway.stop()

    app = _App(
        title="Fundwatch gateway", version="1", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan,
        description="Audits before the bill is settled (3101, 3102), what was done about them (3103), reminders before a visit.",
    )  # fmt: skip
    app.state.gateway = gateway
    app.straight = {f"/api/{infno}": Headers(_straight(gateway, infno), secure=secure) for infno in _INFNOS}
    _add_transactions(app, gateway)
    _add_readers(app, gateway)
    _add_service_paths(app, gateway)
    app.add_middleware(Headers, secure=secure)
    describe_routes(app, PatientView, Limit, Change)
    return app


def _assemble(settings: GatewaySettings, store: StoreSettings | None) -> Gateway:
    asker: Asker
    writer: LogWriter
    watch = Watch(open_requests=lambda: asker.open_requests, backlog=lambda: writer.backlog)
    asker = Asker(settings, ignored=watch.ignored, overflowed=watch.overflowed)
    writer = LogWriter(settings, lost=watch.lost)
    kept = Kept(settings.gateway_kept_answers)
    listed = Reference.load(settings.institutions)
    findings = Findings(store) if store is not None else None
    return Gateway(
        settings=settings,
        asker=asker,
        kept=kept,
        reader=LogReader(settings, kept),
        writer=writer,
        watch=watch,
        doors=Doors(
            load_tokens(settings.tokens) if settings.tokens else None,
            Rate(settings.gateway_rate, settings.gateway_burst),
        ),
        transactions=Transactions(
            settings, asker, kept, writer, watch, listed, findings.find if findings is not None else None
        ),
        listed=listed,
        findings=findings,
    )


async def _look(watch: Watch) -> None:
    while True:
        watch.look()
        await asyncio.sleep(_LOOK_SECONDS)


def _add_transactions(app: FastAPI, gateway: Gateway) -> None:
    def route(infno: str) -> Callable[[Request], Awaitable[Response]]:
        async def transaction(request: Request) -> Response:
            return await _national(gateway, request, infno, soap=False)

        return transaction

    for infno in _INFNOS:
        app.add_api_route(f"/api/{infno}", route(infno), methods=["POST"], response_class=Response)

    @app.post("/ws/audit", response_class=Response)
    async def soap(request: Request) -> Response:
        return await _national(gateway, request, "", soap=True)

    @app.get("/ws/audit", response_class=Response)
    async def wsdl(request: Request) -> Response:
        return Response(faces.wsdl(str(request.url.replace(query=""))), media_type=_XML["soap"])


async def _national(gateway: Gateway, request: Request, infno: str, *, soap: bool) -> Response:
    """One transaction: whatever happens, a national envelope goes back."""
    started, received = time.perf_counter(), gateway.transactions.now()
    arrival: Arrival | None = None
    client: Client | None = None
    face: Face = "soap" if soap else "json"
    refused, retry_after = "", 0
    try:
        client = gateway.doors.admit(request, AUDITORS)
        form = form_of(request)
        if soap and form != "xml":
            raise Refused(415, "content_type", "Content-Type", "expected text/xml, got another one")
        if form == "xml" and not soap:
            face = "xml"
        data = await read_body(request, gateway.settings.gateway_body_bytes)
        if form == "json":
            body = read_json(data)
        else:
            face, told_infno, body = faces.from_xml(data)
            infno = infno or told_infno
            if infno not in _INFNOS:
                raise BadMessage("infno", f"expected one of {', '.join(_INFNOS)}, got another")
            check_depth(body)
        arrival = Arrival(client, infno, face, body, received, started)
        outcome = await gateway.transactions.run(arrival)
    except BadMessage as bad:
        refused = f"infcode {bad.infcode}"
        answer = gateway.transactions.refuse(bad.infcode, bad.field, bad.reason, received)
        outcome = Outcome(answer, _STATUSES.get(bad.infcode, 400), bad.infcode)
    except Refused as no:
        refused, retry_after = no.reason, no.retry_after
        code = _INFCODES.get(no.status, MALFORMED)
        outcome = Outcome(gateway.transactions.refuse(code, no.field, no.message, received), no.status, code)
    except Exception:
        refused, number = "internal", uuid.uuid4().hex[:12]
        log.exception("gateway.failed", number=number, infno=infno)
        answer = gateway.transactions.refuse(
            INTERNAL, "", f"internal; the operator finds the reason in the log under {number}", received
        )
        outcome = Outcome(answer, 500, INTERNAL)
    gateway.watch.request(refused=refused)
    log.info(
        "gateway.request", client=client.name if client else "", infno=infno, msgid=arrival.msgid if arrival else "",
        face=face, status=outcome.status, infcode=outcome.infcode, undecided=outcome.undecided, repeated=outcome.repeated,
        ms=round((time.perf_counter() - started) * 1000, 1),
    )  # fmt: skip
    headers = _refusal_headers(outcome.status, retry_after)
    if face == "json":
        return Response(outcome.answer, outcome.status, headers, media_type=_JSON)
    told = faces.to_xml(face, orjson.loads(outcome.answer))
    return Response(told, outcome.status, headers, media_type=_XML[face])


def _add_readers(app: FastAPI, gateway: Gateway) -> None:
    @app.get("/api/patients/{psn_no}", response_class=Response)
    async def patient(request: Request, psn_no: Annotated[str, Path(max_length=50)]) -> Response:
        async def work(client: Client) -> Response:
            known = await gateway.transactions.patient(psn_no)
            if known is None:
                return _refusal(504, "undecided", "nothing is known of this patient in time; go on without", "psn_no")
            return _answer(plain(view(known, client, gateway.listed)))

        return await _read(gateway, request, PATIENT_READERS, "patient", work)

    @app.get("/api/thresholds", response_class=Response)
    async def thresholds(request: Request) -> Response:
        async def work(_: Client) -> Response:
            return _answer({"thresholds": [_told(gateway, one) for one in gateway.watch.thresholds()]})

        return await _read(gateway, request, WATCHERS, "thresholds", work)

    @app.put("/api/thresholds/{name}", response_class=Response)
    async def change(request: Request, name: Annotated[str, Path(max_length=64)]) -> Response:
        async def work(client: Client) -> Response:
            if form_of(request) != "json":
                raise Refused(415, "content_type", "Content-Type", "expected application/json, got another one")
            body = read_json(await read_body(request, gateway.settings.gateway_body_bytes))
            try:
                wanted = Change.model_validate(body)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                field = str(first["loc"][0]) if first["loc"] else "body"
                raise Refused(422, "invalid", field, str(first["msg"])) from None
            try:
                changed = gateway.watch.change(name, value=wanted.value, on=wanted.on, by=client.name)
            except UnknownThresholdError:
                raise Refused(
                    404, "not_found", "name", "expected a name of GET /api/thresholds, got another one"
                ) from None
            return _answer(_told(gateway, changed))

        return await _read(gateway, request, frozenset({"admin"}), "thresholds", work)


async def _read(
    gateway: Gateway,
    request: Request,
    roles: Collection[Role],
    what: str,
    work: Callable[[Client], Awaitable[Response]],
) -> Response:
    """One call that is no national transaction: a plain object goes back."""
    started = time.perf_counter()
    client, refused = None, ""
    try:
        client = gateway.doors.admit(request, roles)
        response = await work(client)
    except Refused as no:
        refused = no.reason
        response = _refusal(no.status, no.reason, no.message, no.field, no.retry_after)
    except Exception:
        refused, number = "internal", uuid.uuid4().hex[:12]
        log.exception("gateway.failed", number=number, infno=what)
        response = _refusal(500, "internal", f"something went wrong here; the log has the reason under {number}")
    took = time.perf_counter() - started
    gateway.watch.request(refused=refused)
    gateway.watch.took(what, took)
    log.info(
        "gateway.request", client=client.name if client else "", infno=what, status=response.status_code,
        ms=round(took * 1000, 1),
    )  # fmt: skip
    return response


def _add_service_paths(app: FastAPI, gateway: Gateway) -> None:
    @app.get("/healthz", summary="whether the process lives", tags=["service"], response_class=Response)
    async def healthz() -> Response:
        return _answer({"status": "ok"})

    @app.get("/readyz", summary="whether audits can be asked now", tags=["service"], response_class=Response)
    async def readyz() -> Response:
        trouble = await gateway.asker.trouble() or gateway.reader.reason or gateway.writer.reason
        if trouble:
            return _answer({"status": "waiting", "reason": trouble}, 503)
        return _answer({"status": "ready"})

    @app.get("/metrics", summary="Prometheus metrics", tags=["service"], response_class=Response)
    async def metrics() -> Response:
        return Response(generate_latest(gateway.watch.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return _answer(app.openapi())

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
        return HTMLResponse(describe(app.openapi()), headers={"Content-Security-Policy": policy})

    async def failed(request: Request, error: Exception) -> Response:
        known = cast(HTTPException, error)
        if request.url.path.startswith(_NATIONAL):
            told = gateway.transactions.refuse(MALFORMED, "", _NO_SUCH_PATH, gateway.transactions.now())
            return Response(told, known.status_code, known.headers, media_type=_JSON)
        words = {404: "not_found", 405: "method_not_allowed"}
        response = _refusal(known.status_code, words.get(known.status_code, "refused"), _NO_SUCH_PATH)
        response.headers.update(known.headers or {})
        return response

    app.add_exception_handler(HTTPException, failed)

    async def invalid(_: Request, __: Exception) -> Response:
        return _refusal(422, "invalid", "expected a path parameter of the allowed length, got another one", "path")

    app.add_exception_handler(RequestValidationError, invalid)


def _told(gateway: Gateway, threshold: Threshold) -> dict[str, Any]:
    since = None
    if threshold.since is not None:
        zone = gateway.transactions.now().tzinfo
        since = f"{datetime.fromtimestamp(threshold.since, zone):%Y-%m-%d %H:%M:%S}"
    return Limit(
        name=threshold.name, meaning=threshold.meaning, value=threshold.value, on=threshold.on, measured=threshold.measured,
        alarm=threshold.since is not None, since=since,
    ).model_dump()  # fmt: skip


def _answer(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type=_JSON)


def _refusal(status: int, error: str, message: str, field: str = "", retry_after: int = 0) -> Response:
    content = {"error": error, "message": message} | ({"field": field} if field else {})
    return Response(orjson.dumps(content), status, _refusal_headers(status, retry_after), media_type=_JSON)


def _refusal_headers(status: int, retry_after: int) -> dict[str, str]:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return headers | ({"Retry-After": str(retry_after)} if retry_after else {})
