"""The one door to ClickHouse: a clickhouse-connect client over HTTP, and its errors sorted by what to do about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from clickhouse.errors import StoreRefused, StoreUnavailable
from clickhouse.settings import StoreSettings

# Codes that say "not now" (memory, parts, sockets, shutdown, access); all others say "never".
_TRANSIENT: Final = frozenset(
    {
        3, 76, 159, 160, 164, 173, 198, 201, 202, 203, 204, 209, 210, 225, 236, 241, 242, 243, 252, 279, 285, 286, 298, 319, 373,
        394, 425, 439, 516, 574, 695, 999, 1000, 1001, 1002,
    }
)  # fmt: skip
_CODE: Final = re.compile(r"[Cc]ode: (\d+)")


def connect(settings: StoreSettings | None = None) -> Client:
    """A blocking client on the configured store and database (which need not exist yet).

    Safe to share between threads: it carries no session. Raises :class:`StoreUnavailable` if nothing answers.
    """
    settings = settings or StoreSettings()
    url = urlsplit(settings.clickhouse_url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(
            f"expected FUNDWATCH_CLICKHOUSE_URL such as http://127.0.0.1:8123, got {settings.clickhouse_url!r}"
        )
    with translated():
        client = clickhouse_connect.get_client(
            interface=url.scheme,
            host=url.hostname,
            port=url.port or (8443 if url.scheme == "https" else 8123),
            username=settings.clickhouse_user,
            password=settings.clickhouse_password.get_secret_value(),
            autogenerate_session_id=False,
            connect_timeout=5,
            send_receive_timeout=settings.clickhouse_timeout,
            query_retries=0,
        )
    client.database = settings.clickhouse_database
    return client


def error_code(error: BaseException) -> int:
    """ClickHouse's exception code in a client error, 0 if it has none."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    found = _CODE.search(str(error))
    return int(found[1]) if found else 0


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into :class:`StoreUnavailable` (try again) or :class:`StoreRefused` (never)."""
    try:
        yield
    except (ClickHouseError, Error, OSError) as error:
        code = error_code(error)
        if code and code not in _TRANSIENT:
            raise StoreRefused(str(error), code=code) from error
        raise StoreUnavailable(str(error) or type(error).__name__) from error
