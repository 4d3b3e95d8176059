"""Brings a database to the schema of this program: numbered SQL files, each applied once and never changed afterwards."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client

from clickhouse.client import translated
from clickhouse.errors import MigrationError

FOLDER: Final = Path(__file__).with_name("migrations")
_NAME: Final = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+\.sql")
_ENGINE: Final = re.compile(r"(?<=ENGINE = )(?=(?!Replicated)\w*MergeTree\b)")
_LOG: Final = structlog.get_logger(__name__)
_LEDGER: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    name String,
    checksum String,
    timezone String,
    applied_at DateTime64(3) DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY name
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
"""


@dataclass(frozen=True)
class Migration:
    """One file: its name, its statements with the zone still open, and the SHA-256 of its text."""

    name: str
    statements: tuple[str, ...]
    checksum: str


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """The migrations of a folder in order. Raises :class:`MigrationError` for a name out of form or a number used twice."""
    found: dict[str, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        matched = _NAME.fullmatch(path.name)
        if not matched:
            raise MigrationError(f"expected a migration named like 0001_name.sql, got {path.name}")
        if matched["number"] in found:
            raise MigrationError(f"expected one migration {matched['number']}, got another: {path.name}")
        text = path.read_text("utf-8").replace("\r\n", "\n")
        statements = tuple(part.strip() for part in re.split(r";[ \t]*(?:\n|$)", text) if part.strip())
        found[matched["number"]] = Migration(path.name, statements, hashlib.sha256(text.encode()).hexdigest())
    return list(found.values())


def migrate(client: Client, *, timezone: str = "Asia/Shanghai", folder: Path = FOLDER) -> list[str]:
    """Create the client's database if need be and apply what is missing; returns the names applied, in order.

    Every statement may run twice (``IF NOT EXISTS``), so two programs starting at once, or one killed in the middle, end at the
    same schema. Raises :class:`MigrationError` if an applied file has changed, if the database is newer than this program or was
    made for another time zone; :class:`clickhouse.errors.StoreError` if the store does not take it.
    """
    known = migrations(folder)
    with translated():
        client.command(f"CREATE DATABASE IF NOT EXISTS `{client.database}`", use_database=False)
        replicated = is_replicated(client)
        client.command(statement_for(_LEDGER, timezone=timezone, replicated=replicated))
        rows = client.query("SELECT name, checksum, timezone FROM schema_migrations FINAL").result_rows
    _check(known, {str(name): (str(checksum), str(zone)) for name, checksum, zone in rows}, timezone)
    applied = {row[0] for row in rows}
    done = []
    for migration in known:
        if migration.name in applied:
            continue
        with translated():
            for statement in migration.statements:
                client.command(statement_for(statement, timezone=timezone, replicated=replicated))
            client.insert(
                "schema_migrations",
                [[migration.name, migration.checksum, timezone]],
                column_names=["name", "checksum", "timezone"],
            )
        _LOG.info("migration_applied", name=migration.name)
        done.append(migration.name)
    return done


def is_replicated(client: Client) -> bool:
    """Whether the client's database was made with ``ENGINE = Replicated``, to keep its tables on several servers."""
    rows = client.query(
        "SELECT engine FROM system.databases WHERE name = {name:String}", parameters={"name": client.database}
    ).result_rows
    return [tuple(row) for row in rows] == [("Replicated",)]


def statement_for(statement: str, *, timezone: str, replicated: bool) -> str:
    """A migration's statement as a database takes it: its zone filled in, its engine in the Replicated form where that is needed.

    ``${secret}`` is 256 random bits, others at every call: the store's own chance is made for speed, not for secrets.
    A database ``Replicated`` copies what tables are, not what they hold: that is for the engine of each table.
    """
    filled = statement.replace("${timezone}", timezone).replace("${secret}", secrets.token_hex(32))
    return _ENGINE.sub("Replicated", filled) if replicated else filled


def _check(known: list[Migration], applied: dict[str, tuple[str, str]], timezone: str) -> None:
    files = {migration.name: migration.checksum for migration in known}
    for name, (checksum, zone) in sorted(applied.items()):
        if name not in files:
            raise MigrationError(
                f"the database has migration {name}, this program does not: it is older than the database; start the newer one"
            )
        if files[name] != checksum:
            raise MigrationError(
                f"migration {name} was changed after it was applied (expected checksum {checksum[:12]}, "
                f"got {files[name][:12]}); put the file back and write a new migration"
            )
        if zone != timezone:
            raise MigrationError(
                f"the database was made for time zone {zone}, the settings say {timezone}; set FUNDWATCH_TIMEZONE={zone} "
                "or start with an empty database"
            )
