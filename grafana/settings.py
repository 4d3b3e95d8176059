"""Where Grafana is, if there is one, and how it reaches ClickHouse."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class GrafanaSettings(BaseSettings):
    """Settings of a Grafana that exists already (prefix ``FUNDWATCH_``); without an address Grafana is left alone."""

    model_config = SettingsConfigDict(env_prefix="FUNDWATCH_", env_ignore_empty=True)

    grafana_url: str | None = Field(
        None,
        description="address of Grafana with its sub-path, for example http://127.0.0.1:3000 or https://wall/grafana",
    )
    grafana_token: SecretStr = Field(SecretStr(""), description="service account token of Grafana")
    grafana_clickhouse_url: str | None = Field(
        None, description="HTTP address of ClickHouse as Grafana reaches it; if not set, FUNDWATCH_CLICKHOUSE_URL"
    )
    grafana_clickhouse_user: str = Field("grafana", description="ClickHouse user of Grafana: one that can only read")
    grafana_clickhouse_password: SecretStr = Field(SecretStr(""), description="password of that user")
