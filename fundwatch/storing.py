"""What a demo asks of its store: to be ready before the parts need it, and complete before the figures are counted."""

from __future__ import annotations

from pathlib import Path

from clickhouse.client import connect
from clickhouse.migrate import migrate
from clickhouse.reference import load_institutions
from clickhouse.settings import StoreSettings


def prepare(settings: StoreSettings, institutions: Path | None) -> None:
    """Bring the tables to this version and load the institutions' names and places. Raises StoreError."""
    client = connect(settings)
    migrate(client, timezone=settings.timezone)
    if institutions is not None:
        load_institutions(client, institutions)
