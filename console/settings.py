"""Where the console listens and whom it lets in."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class ConsoleSettings(BaseSettings):
    """``FUNDWATCH_CONSOLE_*`` and ``FUNDWATCH_TOKENS``."""

    model_config = SettingsConfigDict(env_prefix="FUNDWATCH_", env_ignore_empty=True)

    console_host: str = Field(default="127.0.0.1", description="address the console listens on")
    console_port: int = Field(
        default=8600, ge=0, le=65_535, description="port the console listens on; 0 takes a free one"
    )
    console_names: Annotated[list[str], NoDecode] = Field(
        default=["localhost", "127.0.0.1", "::1"],
        description="host names browsers may use for the console, comma-separated; console_host is always one of them",
    )
    console_networks: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(
        default=["127.0.0.0/8", "::1/128"],
        description="networks that may see the pages without a token, comma-separated; the API needs a token from everywhere",
        validate_default=True,
    )
    tokens: Path | None = Field(
        default=None, description="TOML file of hashed client tokens; without it every API call is refused"
    )

    @field_validator("console_names", "console_networks", mode="before")
    @classmethod
    def _from_commas(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
