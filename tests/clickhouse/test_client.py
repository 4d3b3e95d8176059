from __future__ import annotations

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from clickhouse.client import connect, error_code, translated
from clickhouse.errors import StoreRefused, StoreUnavailable
from clickhouse.settings import StoreSettings


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DatabaseError("Code: 241. Memory limit", code=241), StoreUnavailable),
        (DatabaseError("Code: 252. Too many parts", code=252), StoreUnavailable),
        (DatabaseError("Code: 516. Authentication failed", code=516), StoreUnavailable),
        (DatabaseError("Code: 27. Cannot parse input", code=27), StoreRefused),
        (DatabaseError("Code: 60. Unknown table", code=60), StoreRefused),
        (OperationalError("Error executing HTTP request"), StoreUnavailable),
        (DatabaseError("HTTP driver received HTTP status 502"), StoreUnavailable),
        (ConnectionResetError("reset"), StoreUnavailable),
    ],
)
def test_errors_are_sorted_by_what_to_do(error: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected), translated():
        raise error


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(ZeroDivisionError), translated():
        raise ZeroDivisionError


def test_the_code_is_read_from_the_text_if_it_is_nowhere_else() -> None:
    assert error_code(RuntimeError("Received ClickHouse exception, code: 395, server response")) == 395
    assert error_code(RuntimeError("nothing")) == 0


@pytest.mark.parametrize("url", ["127.0.0.1:8123", "clickhouse://host", "http://"])
def test_an_address_out_of_form_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected FUNDWATCH_CLICKHOUSE_URL"):
        connect(StoreSettings(clickhouse_url=url))


def test_settings_come_from_the_environment_and_hide_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDWATCH_CLICKHOUSE_URL", "http://store:1")
    monkeypatch.setenv("FUNDWATCH_CLICKHOUSE_PASSWORD", "geheim")
    found = StoreSettings()
    assert found.clickhouse_url == "http://store:1"
    assert "geheim" not in repr(found)
    assert found.clickhouse_password.get_secret_value() == "geheim"
    with pytest.raises(ValueError, match="clickhouse_database"):
        StoreSettings(clickhouse_database="a`; DROP")
