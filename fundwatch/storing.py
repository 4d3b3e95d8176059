"""What a demo asks of its store: to be ready before the parts need it, and complete before the figures are counted."""

from __future__ import annotations

from pathlib import Path

from clickhouse.client import connect
from clickhouse.migrate import migrate
from clickhouse.reference import load_institutions
from clickhouse.settings import StoreSettings


def make_tables(settings: StoreSettings) -> None:
    """Bring the tables to this version. Raises StoreError."""
    migrate(connect(settings), timezone=settings.timezone)


def load_names(settings: StoreSettings, institutions: Path | None) -> None:
    """Load the institutions' names and places. Raises StoreError, or ValueError for a file that is none."""
    if institutions is not None:
        load_institutions(connect(settings), institutions)
