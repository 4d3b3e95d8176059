"""Where the store is and how it is reached."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class StoreSettings(BaseSettings):
    """Settings of the store, from the environment (prefix ``FUNDWATCH_``)."""

    model_config = SettingsConfigDict(env_prefix="FUNDWATCH_", extra="ignore")

    clickhouse_url: str = Field(
        default="http://127.0.0.1:8123", description="HTTP address of ClickHouse, embedded or a server"
    )
    clickhouse_user: str = Field(default="default", description="user name")
    clickhouse_password: SecretStr = Field(default=SecretStr(""), description="password")
    clickhouse_database: str = Field(
        default="fundwatch", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="database name"
    )
    clickhouse_timeout: float = Field(
        default=60.0, ge=1, description="seconds to wait for an answer before the store counts as away"
    )
    timezone: str = Field(
        default="Asia/Shanghai", description="IANA zone of the fund; fixed in the tables at the first migration"
    )
