"""What the notifier needs to know, from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from streams.settings import StreamSettings


class NotifierSettings(StreamSettings):
    """``FUNDWATCH_NOTIFIER_*``, ``FUNDWATCH_WEBHOOK*`` and what every part on Kafka is told."""

    model_config = SettingsConfigDict(env_prefix="FUNDWATCH_", extra="ignore", env_ignore_empty=True)

    webhooks: Path | None = Field(
        default=None, description="TOML file of the receivers of alerts; without it nobody is told"
    )
    webhook_allow: str = Field(
        default="", description="hosts receivers may have although their addresses are private, comma-separated"
    )
    console_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="address of the console in links of messages; empty: no links",
    )
    notifier_host: str = Field(default="127.0.0.1", description="address the notifier listens on")
    notifier_port: int = Field(
        default=8650, ge=0, le=65_535, description="port the notifier listens on; 0 takes a free one"
    )
    notifier_instance: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="name of this notifier that stays over restarts, so that a restart costs no rebalance; empty: none",
    )
    notifier_session_seconds: float = Field(
        default=10.0, ge=1.0, description="a notifier silent for so long has lost its partitions"
    )
    notifier_oldest_hours: float = Field(
        default=24.0, gt=0, description="alerts published longer ago are not delivered any more when first read"
    )
    notifier_retry_seconds: float = Field(
        default=1.0, gt=0, description="pause after a first failed attempt; it doubles with each further one"
    )
    notifier_retry_longest_seconds: float = Field(default=300.0, gt=0, description="longest pause between attempts")
    notifier_breaker_seconds: float = Field(
        default=15.0,
        gt=0,
        description="first rest of a receiver that failed five times in a row; then up to 20 times it",
    )
    notifier_store: bool = Field(
        default=True, description="write deliveries to ClickHouse; off: another notifier of the group does"
    )
    grafana_webhook_secret: SecretStr = Field(
        default=SecretStr(""), description="secret of Grafana's alert webhook; empty: POST /grafana is refused"
    )
