"""Settings are listed with their origin, and no secret is ever among the values."""

from __future__ import annotations

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from fundwatch.errors import SettingError
from fundwatch.settings import MASK, every_setting, load, unknown_names

# what the contract promises by name for this version
PROMISED = (
    "KAFKA",
    "CLICKHOUSE_URL",
    "GATEWAY_HOST",
    "GATEWAY_PORT",
    "CONSOLE_HOST",
    "CONSOLE_PORT",
    "GRAFANA_URL",
    "GRAFANA_TOKEN",
    "RULES",
    "TOKENS",
    "WEBHOOKS",
    "WEBHOOK_ALLOW",
    "TIMEZONE",
)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("FUNDWATCH_"):
            monkeypatch.delenv(name)


class Sample(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FUNDWATCH_")

    sample_count: int = Field(3, ge=1)
    sample_secret: SecretStr = Field(SecretStr(""), min_length=4)


def test_every_promised_setting_is_listed() -> None:
    listed = {row.name for row in every_setting()}
    assert {f"FUNDWATCH_{name}" for name in PROMISED} <= listed


def test_origin_tells_environment_from_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDWATCH_KAFKA", "kafka.example:9092")
    rows = {row.name: row for row in every_setting()}
    assert (rows["FUNDWATCH_KAFKA"].value, rows["FUNDWATCH_KAFKA"].origin) == ("kafka.example:9092", "environment")
    assert rows["FUNDWATCH_TIMEZONE"].origin == "default"


def test_every_setting_is_explained() -> None:
    assert [row.name for row in every_setting() if not row.meaning] == []


def test_secrets_are_masked_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDWATCH_CLICKHOUSE_PASSWORD", "hunter2")
    monkeypatch.setenv("FUNDWATCH_GRAFANA_TOKEN", "glsa_hunter2")
    monkeypatch.setenv("FUNDWATCH_GRAFANA_URL", "http://admin:hunter2@grafana.example:3000")
    monkeypatch.setenv("FUNDWATCH_CLICKHOUSE_URL", "http://reader:hunter2@clickhouse.example:8123")
    rows = {row.name: row.value for row in every_setting()}
    assert "hunter2" not in "".join(rows.values())
    assert rows["FUNDWATCH_CLICKHOUSE_PASSWORD"] == MASK
    assert rows["FUNDWATCH_GRAFANA_URL"] == f"http://admin:{MASK}@grafana.example:3000"


def test_a_misspelt_variable_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDWATCH_KAFAK", "x")
    assert unknown_names() == ["FUNDWATCH_KAFAK"]


def test_a_bad_value_is_named_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDWATCH_SAMPLE_COUNT", "0")
    with pytest.raises(SettingError, match=r"FUNDWATCH_SAMPLE_COUNT: .*'0'"):
        load(Sample)


def test_a_bad_secret_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDWATCH_SAMPLE_SECRET", "abc")
    with pytest.raises(SettingError, match="FUNDWATCH_SAMPLE_SECRET") as caught:
        load(Sample)
    assert "abc" not in str(caught.value)
