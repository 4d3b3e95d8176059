"""How rows leave as JSON: money and other decimals as text, times as ``yyyy-MM-dd HH:mm:ss``, errors as one small object."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson
from starlette.responses import JSONResponse


def plain(value: Any) -> Any:
    """A value of a row as JSON can hold it; decimals become text, because money is never a float."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


class RowsResponse(JSONResponse):
    """JSON with the house's spelling of decimals and times."""

    def render(self, content: Any) -> bytes:
        """The body of the response."""
        # orjson writes datetimes its own way unless told to pass them on
        return orjson.dumps(content, default=plain, option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS)


def refusal(status: int, error: str, message: str, field: str = "") -> JSONResponse:
    """An error as every API path says it: a stable code, a sentence, and the field it is about."""
    content = {"error": error, "message": message} | ({"field": field} if field else {})
    return JSONResponse(content, status, {"WWW-Authenticate": "Bearer"} if status == 401 else None)
