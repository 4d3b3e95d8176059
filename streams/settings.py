"""What the parts on Kafka need to know, from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.instants import DEFAULT_ZONE
from schemas.partitions import PARTITIONS
from schemas.topics import Topics


class StreamSettings(BaseSettings):
    """Settings of the worker and its neighbours on Kafka, from the environment (prefix ``FUNDWATCH_``)."""

    model_config = SettingsConfigDict(env_prefix="FUNDWATCH_", extra="ignore")

    kafka: str = Field(default="127.0.0.1:9092", description="Kafka bootstrap servers, host:port, comma-separated")
    topic_prefix: str = Field(
        default="", pattern=r"^[A-Za-z0-9._-]{0,100}$", description="put before every topic and group name"
    )
    partitions: int = Field(
        default=PARTITIONS,
        ge=1,
        le=1024,
        description="partitions of every topic; fixed when the topics are first created",
    )
    replication: int = Field(default=1, ge=1, le=9, description="copies of every topic that is created")
    timezone: str = Field(default=DEFAULT_ZONE, description="IANA zone of times on the wire and of days and months")
    rules: Path | None = Field(
        default=None, description="TOML file with rule parameters that differ from the shipped ones"
    )
    exceptions: Path | None = Field(
        default=None, description="TOML file with the exceptions the authority has filed; read at the start"
    )
    institutions: Path | None = Field(default=None, description="institutions.csv")
    drugs: Path | None = Field(default=None, description="drugs.csv")
    verdicts: Path | None = Field(
        default=None,
        description="what supervisors said of earlier findings, JSON lines; moves the score, never a light",
    )

    worker_path: Literal["batch", "plain"] = Field(
        default="batch", description="batch: whole fetched batches; plain: stock Faust consumption, the slow reference"
    )
    worker_instance: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="name of this worker that stays over restarts, so that a restart costs no rebalance; empty: none",
    )
    worker_metrics_port: int = Field(default=0, ge=0, le=65535, description="port for Prometheus metrics; 0 is off")
    worker_metrics_host: str = Field(default="127.0.0.1", description="address the metrics are served on")
    worker_session_seconds: float = Field(
        default=10.0, ge=1.0, description="a worker silent for so long has lost its partitions"
    )
    worker_commit_seconds: float = Field(default=0.5, gt=0, description="how often safe offsets are committed")
    worker_fetch_wait_ms: int = Field(default=100, ge=1, description="longest wait of one fetch for new records")
    worker_flush_seconds: float = Field(
        default=0.4,
        gt=0,
        description="how long judged settlements wait for company before they are stored, when nothing more waits",
    )
    worker_flush_events: int = Field(
        default=10_000, ge=1, description="settlements (and as many facts) in one flush, and judged beyond it, at most"
    )
    worker_cached_states: int = Field(
        default=50_000,
        ge=100,
        description="persons, and places, whose state is kept decoded; the rest are kept as bytes",
    )

    worker_audits: bool = Field(
        default=True, description="answer the gateway's audits and store what it logs of them; off: settlements only"
    )

    @property
    def topics(self) -> Topics:
        """Topic and group names of this installation."""
        return Topics(prefix=self.topic_prefix, partitions=self.partitions)
