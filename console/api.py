"""The console's JSON interface: rows behind the wall's modules and the findings, each caller limited to what its token allows."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

import structlog
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from clickhouse.errors import StoreError
from clickhouse.findings import Filter, find, list_findings
from clickhouse.panels import MODULES
from console.boards import Boards
from console.errors import BadFilterError, BoardUnavailableError
from console.replies import RowsResponse, refusal
from console.store import Store
from streams.access import AccessError, BadTokensError, Client, ForbiddenError, Role, Tokens, UnauthenticatedError

READERS: Final[frozenset[Role]] = frozenset({"office", "supervisor", "oncall", "admin"})
_LONGEST_PAGE: Final = 500
_CODES: Final = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 422: "invalid"}

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/api", dependencies=[Depends(HTTPBearer(auto_error=False, description="token of a client"))])


@dataclass(frozen=True)
class Sources:
    """What the API reads from; ``tokens`` is None when no tokens file is set, and then nobody is let in."""

    store: Store
    boards: Boards
    tokens: Tokens | None


def _sources(request: Request) -> Sources:
    sources: Sources = request.app.state.sources
    return sources


def _reader(request: Request) -> Client:
    tokens = _sources(request).tokens
    if tokens is None:
        raise UnauthenticatedError("no tokens are known here; set FUNDWATCH_TOKENS to a tokens file")
    return tokens.authenticate(request.headers.get("authorization")).require(READERS)


Reader = Annotated[Client, Depends(_reader)]
Light = Literal["red", "yellow", "green"]
Word = Annotated[str, Query(max_length=128)]


@router.get("/panels/{module}", summary="rows behind a wall module", response_class=RowsResponse)
async def panel(module: str, reader: Reader, request: Request) -> Response:
    """The rows behind a module, per query, as the wall shows them; an office gets those of its own institution."""
    known = MODULES.get(module)
    if known is None:
        return refusal(
            404, "not_found", f"expected one of the modules {', '.join(MODULES)}, got {module[:40]!r}", "module"
        )
    snapshot = await _sources(request).boards.recent(module, reader.institution_id)
    return RowsResponse(
        {
            "module": module,
            "title": known.title,
            "refresh_seconds": known.refresh,
            "version": snapshot.version,
            "loaded_at": snapshot.loaded_at.isoformat(timespec="seconds") if snapshot.loaded_at else None,
            "rows": snapshot.rows,
        }
    )


@router.get("/alerts", summary="findings, the latest first", response_class=RowsResponse)
def alerts(
    reader: Reader,
    request: Request,
    light: Annotated[list[Light] | None, Query(description="red, yellow or green; may be repeated")] = None,
    family: Word = "",
    detector: Word = "",
    subject: Annotated[str, Query(max_length=128, description="subject, person or institution of the alert")] = "",
    since: Annotated[str, Query(max_length=40, description="raised at or after, yyyy-MM-dd [HH:mm:ss]")] = "",
    until: Annotated[str, Query(max_length=40, description="raised before, yyyy-MM-dd [HH:mm:ss]")] = "",
    limit: Annotated[int, Query(ge=1, le=_LONGEST_PAGE)] = 100,
    cursor: Annotated[str, Query(max_length=200, description="next_cursor of the page before")] = "",
) -> Response:
    """A page of alerts; ``next_cursor`` is null on the last one."""
    store = _sources(request).store
    wanted = Filter(
        lights=tuple(light or ()),
        family=family,
        detector=detector,
        subject=subject,
        since=local_time("since", since, store.timezone),
        until=local_time("until", until, store.timezone),
        institution_id=reader.institution_id,
    )
    after = _read_cursor(cursor)
    rows = store.ask(
        lambda client: list_findings(client, wanted, limit=limit + 1, after=after, timezone=store.timezone)
    )
    page = rows[:limit]
    return RowsResponse({"alerts": page, "next_cursor": _cursor(page[-1]) if len(rows) > limit else None})


@router.get("/alerts/{alert_id}", summary="one finding", response_class=RowsResponse)
def alert(alert_id: str, reader: Reader, request: Request) -> Response:
    """One alert as it stands now."""
    row = _sources(request).store.ask(lambda client: find(client, alert_id, institution_id=reader.institution_id))
    if row is None:
        return refusal(404, "not_found", "expected the id of an alert that stands, got one we do not have", "alert_id")
    return RowsResponse(row)


def local_time(field: str, text: str, timezone: str) -> str:
    """A time as people and programs write it, as local ``yyyy-MM-dd HH:mm:ss``; empty stays empty. Raises BadFilterError."""
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadFilterError(
            field, f"expected a time such as 2025-03-01 or 2025-03-01 08:00:00, got {text!r}"
        ) from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(ZoneInfo(timezone))
    if not 1971 <= moment.year <= 2099:
        raise BadFilterError(field, f"expected a year from 1971 to 2099, got {moment.year}")
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _cursor(row: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(f"{row['raised_at']}|{row['alert_id']}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[str, str] | None:
    if not cursor:
        return None
    try:
        at, _, alert_id = (
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode().partition("|")
        )
        if datetime.fromisoformat(at).strftime("%Y-%m-%d %H:%M:%S") == at and alert_id:
            return at, alert_id
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise BadFilterError("cursor", "expected the next_cursor of a page before, got something else")


def add_api(app: FastAPI, sources: Sources) -> None:
    """Put the interface and its error answers on an application."""
    app.state.sources = sources
    app.include_router(router)
    app.add_exception_handler(AccessError, _no_access)
    app.add_exception_handler(BadFilterError, _bad_filter)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StoreError, _store_away)
    app.add_exception_handler(BoardUnavailableError, _store_away)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _no_access(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, ForbiddenError):
        return refusal(403, "forbidden", str(error))
    if isinstance(error, BadTokensError):
        log.error("tokens_unreadable", reason=str(error))
        return refusal(
            503, "unavailable", "the tokens file cannot be read now; the operator finds the reason in the log"
        )
    return refusal(401, "unauthenticated", str(error))


def _bad_filter(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BadFilterError)
    return refusal(422, "invalid", error.reason, error.field)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return refusal(
        422, "invalid", str(first["msg"]), str(first["loc"][1] if len(first["loc"]) > 1 else first["loc"][0])
    )


def _store_away(_: Request, __: Exception) -> JSONResponse:
    return refusal(503, "unavailable", "the store does not answer now; try again in some seconds")


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, _CODES.get(error.status_code, "refused"), str(error.detail))


def _unexpected(_: Request, __: Exception) -> JSONResponse:
    # the server's log has the traceback; the caller gets none of it
    return refusal(500, "internal", "something went wrong here; the operator finds the reason in the log")
