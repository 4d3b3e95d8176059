"""What the gateway needs to know, from the environment."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from schemas.partitions import key_partition
from streams.settings import StreamSettings


class GatewaySettings(StreamSettings):
    """``FUNDWATCH_GATEWAY_*``, ``FUNDWATCH_TOKENS`` and what every part on Kafka is told."""

    model_config = SettingsConfigDict(env_prefix="FUNDWATCH_", extra="ignore", env_ignore_empty=True)

    gateway_host: str = Field(default="127.0.0.1", description="address the gateway listens on")
    gateway_port: int = Field(
        default=8700, ge=0, le=65_535, description="port the gateway listens on; 0 takes a free one"
    )
    gateway_instance: str = Field(
        default="gateway-0",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="name of this gateway among several; a number at its end chooses its partition of audit.replies",
    )
    gateway_reply_partition: int | None = Field(
        default=None,
        ge=0,
        description="partition of audit.replies the answers to this gateway come through; every instance its own",
    )
    gateway_outpatient_seconds: float = Field(
        default=1.0, gt=0, le=60, description="an outpatient audit not answered by then is answered as undecided"
    )
    gateway_inpatient_seconds: float = Field(
        default=3.0, gt=0, le=60, description="an inpatient audit not answered by then is answered as undecided"
    )
    gateway_open_requests: int = Field(
        default=2_000, ge=1, description="questions that wait at once; what comes beyond is undecided at once"
    )
    gateway_body_bytes: int = Field(default=256 * 1024, ge=1024, description="largest request body taken")
    gateway_rate: float = Field(default=500.0, gt=0, description="requests a second a client may send for long")
    gateway_burst: int = Field(default=1_000, ge=1, description="requests a client may send at once after a pause")
    gateway_kept_answers: int = Field(
        default=50_000, ge=1, description="answers kept at hand for messages that come again"
    )
    gateway_kept_seconds: int = Field(
        default=3_600, ge=1, description="how far back audit.log is read at the start for answers given before"
    )
    gateway_tls_cert: Path | None = Field(
        default=None, description="PEM certificate chain; with the key, the gateway speaks HTTPS"
    )
    gateway_tls_key: Path | None = Field(default=None, description="PEM private key of the certificate")
    tokens: Path | None = Field(
        default=None, description="TOML file of hashed client tokens; without it every API call is refused"
    )

    @model_validator(mode="after")
    def _fits(self) -> GatewaySettings:
        if self.gateway_reply_partition is not None and self.gateway_reply_partition >= self.partitions:
            raise ValueError(f"expected gateway_reply_partition below partitions ({self.partitions})")
        if (self.gateway_tls_cert is None) != (self.gateway_tls_key is None):
            raise ValueError("expected gateway_tls_cert and gateway_tls_key together, got only one of them")
        return self

    @property
    def reply_partition(self) -> int:
        """The partition of ``audit.replies`` this instance reads: as set, else by the number or the name of the instance."""
        if self.gateway_reply_partition is not None:
            return self.gateway_reply_partition
        number = re.search(r"(\d{1,6})$", self.gateway_instance)
        if number:
            return int(number[1]) % self.partitions
        return key_partition(self.gateway_instance.encode(), self.partitions)
