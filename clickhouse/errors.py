"""What can go wrong between us and the store, told apart by what the caller should do."""

from __future__ import annotations


class StoreError(Exception):
    """Base of every error of this package."""


class StoreUnavailable(StoreError):  # noqa: N818  says what the store is, as callers read it
    """The store did not answer, or answered that it cannot right now: keep the rows and try again."""


class StoreRefused(StoreError):  # noqa: N818
    """The store will never take this statement or these rows: trying again is useless.

    ``code`` is ClickHouse's exception code (0 if unknown); ``event_ids`` names the rows that were cut out, everything else of the
    same call is stored.
    """

    def __init__(self, message: str, *, code: int = 0, event_ids: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.event_ids = event_ids


class MigrationError(StoreError):
    """The database and the migration files of this program do not belong together."""
