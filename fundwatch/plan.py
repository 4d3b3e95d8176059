"""What a demo was asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """``speed`` is times event time (None: as fast as it goes), ``duration`` seconds from ``ready`` (None: until a signal)."""

    input: Path | None = None
    institutions: Path | None = None
    drugs: Path | None = None
    rules: Path | None = None
    exceptions: Path | None = None
    speed: float | None = 1.0
    duration: float | None = None
    data_dir: Path | None = None
    kafka_port: int | None = None
    clickhouse_port: int | None = None
    gateway_port: int | None = None
    console_port: int | None = None
