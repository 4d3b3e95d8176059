"""Where Grafana is, if there is one."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class GrafanaSettings(BaseSettings):
    """``FUNDWATCH_GRAFANA_URL`` and ``FUNDWATCH_GRAFANA_TOKEN``; without an address Grafana is left alone."""

    model_config = SettingsConfigDict(env_prefix="FUNDWATCH_", env_ignore_empty=True)

    grafana_url: str | None = Field(None, description="address of Grafana, for example http://127.0.0.1:3000")
    grafana_token: SecretStr = Field(SecretStr(""), description="service account token of Grafana")
