"""What the users of deploy/clickhouse/users.d may do, asked of the engine itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as Xml
from pathlib import Path
from typing import Any

import pytest

from clickhouse.migrate import migrations, statement_for
from clickhouse.panels import DETAILS, MODULES, Query
from clickhouse.settings import StoreSettings
from tests.deploy.composed import ROOT

ZONE = "Asia/Shanghai"
MINE, THEIRS = "H33010600001", "H33010600002"
FILES = sorted((ROOT / "deploy" / "clickhouse").rglob("*.xml"))
QUERIES = [query for module in (*MODULES.values(), *DETAILS.values()) for query in module.queries]
OPERATION = DETAILS["service"].queries
"""Figures of the service itself, no business of an office."""
HIDDEN = {
    "dead_letter_rows",
    "delivery_attempt_rows",
    "delivery_rows",
    "panel_audit_marks",
    "panel_marks",
    "panel_stale",
    "schema_migrations",
}
"""What an office has no business with: operation, and messages nobody could read."""


class Asked:
    """A folder with the tables of this version and rows of two institutions, and a way to ask it as one of the users."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, user: str | None, *statements: str | Query) -> list[dict[str, Any]]:
        wanted = [
            (one, {}) if isinstance(one, str) else (one.sql, {key: str(value) for key, value in one.defaults.items()})
            for one in statements
        ]
        done = subprocess.run(
            [sys.executable, "-m", "tests.deploy.as_user", self.folder],
            input=json.dumps({"user": user, "statements": wanted}),
            cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def tables() -> list[str]:
    return [
        statement_for(statement, timezone=ZONE, replicated=False)
        for migration in migrations()
        for statement in migration.statements
    ]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, tables: list[str]) -> Asked:
    asked = Asked(tmp_path_factory.mktemp("store"))
    made = asked("fundwatch", "CREATE DATABASE IF NOT EXISTS fundwatch", "USE fundwatch", *tables)
    assert [answer for answer in made if "error" in answer] == [], "the program may not do what its migrations need"
    columns = asked(
        None,
        "SELECT table, groupArray(name) FROM system.columns WHERE database = 'fundwatch' AND table IN "
        "(SELECT name FROM system.tables WHERE database = 'fundwatch' AND engine LIKE '%MergeTree') GROUP BY table",
    )[0]["rows"]
    rows = []
    for table, names in columns:
        for number, code in enumerate((MINE, THEIRS)):
            if "fixmedins_code" in names:
                keys = {"event_id", "jr_id", "audit_id", "warn_rslt_id"} & set(names)
                row = {"fixmedins_code": f"'{code}'", **dict.fromkeys(keys, f"'{number}'")}
                row |= dict.fromkeys({"lines", "diagnoses"} & set(names), "[]")  # columns are computed from them
                rows.append(f"INSERT INTO fundwatch.{table} ({', '.join(row)}) VALUES ({', '.join(row.values())})")
            elif "institutions" in names:
                rows.append(
                    f"INSERT INTO fundwatch.{table} (alert_id, institutions, revision) VALUES ('{number}', ['{code}'], 1), "
                    f"('shared', ['{MINE}', '{THEIRS}'], 1)"
                )
    assert [answer for answer in asked("fundwatch", *rows) if "error" in answer] == []
    return asked


def names(asked: Asked, engine: str) -> list[str]:
    rows = asked(
        None, f"SELECT name FROM system.tables WHERE database = 'fundwatch' AND engine LIKE '{engine}' ORDER BY name"
    )
    return [row[0] for row in rows[0]["rows"]]


def test_every_table_is_narrowed_for_offices_or_hidden_from_them(asked: Asked) -> None:
    office = Xml.parse(ROOT / "deploy/clickhouse/users.d/fundwatch.xml").getroot().find("users/office")
    assert office is not None
    narrowed = {table.tag for table in office.findall("databases/fundwatch/*")}
    granted = {re.fullmatch(r"GRANT SELECT ON fundwatch\.(\w+)", query.text or "")[1] for query in office.iter("query")}  # type: ignore[index]
    assert set(names(asked, "%MergeTree")) <= narrowed | HIDDEN, (
        "say in users.d/fundwatch.xml how an office sees the table"
    )
    assert narrowed <= granted
    assert granted & HIDDEN == set()


def test_an_office_reads_its_own_rows_and_no_other_s(asked: Asked) -> None:
    everything = [*names(asked, "%MergeTree"), *names(asked, "%View")]
    # chDB knows no settings of one's own: as_user.py lets log_comment stand for SQL_institution
    statements = [f"SELECT toString(tuple(*)) FROM fundwatch.{table}" for table in everything]
    answers = asked("office", f"SET log_comment = '{MINE}'", *statements)[1:]
    seen = 0
    for table, answer in zip(everything, answers, strict=True):
        if "error" in answer:
            assert "Not enough privileges" in answer["error"], f"{table}: {answer['error']}"
            continue
        text = json.dumps(answer["rows"])
        assert THEIRS not in text, f"{table} shows an office another institution"
        seen += MINE in text
    assert seen >= 10


def test_an_office_that_does_not_say_who_it_is_reads_nothing(asked: Asked) -> None:
    for answer in asked("office", "SELECT * FROM fundwatch.settlements", "SELECT * FROM fundwatch.alerts"):
        assert answer["rows"] == []


def test_every_panel_answers_an_office_for_its_institution_only(asked: Asked) -> None:
    theirs = [query for query in QUERIES if query not in OPERATION]
    answers = asked("office", "USE fundwatch", f"SET log_comment = '{MINE}'", *theirs)[2:]
    for query, answer in zip(theirs, answers, strict=True):
        assert "error" not in answer, f"{query.name}: {answer}"
        assert THEIRS not in json.dumps(answer), f"{query.name} shows another institution"


@pytest.mark.parametrize("user", ["grafana", "office"])
def test_readers_can_neither_write_nor_reach_out(asked: Asked, user: str) -> None:
    forbidden = [
        "INSERT INTO fundwatch.panel_marks (hour, mark) VALUES (now(), 1)",
        "ALTER TABLE fundwatch.settlement_rows DELETE WHERE 1",
        "DROP TABLE fundwatch.settlement_rows",
        "TRUNCATE TABLE fundwatch.settlement_rows",
        "CREATE TABLE fundwatch.mine (a Int8) ENGINE = ReplacingMergeTree ORDER BY a",
        "CREATE VIEW fundwatch.mine AS SELECT 1",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT * FROM remote('127.0.0.1', system.one)",
        "SELECT * FROM executable('x', 'LineAsString', 'a String')",
        "SET readonly = 0",
        "SET max_memory_usage = 0",
        "SET max_execution_time = 3600",
        "SYSTEM SHUTDOWN",
        "CREATE USER other",
        "SHOW CREATE USER default",
    ]
    done = asked(user, *forbidden)
    assert [statement for statement, answer in zip(forbidden, done, strict=True) if "error" not in answer] == []


def test_grafana_reads_all_panels_and_may_say_how_long_it_waits(asked: Asked) -> None:
    answers = asked("grafana", "SET max_execution_time = 31", "USE fundwatch", *QUERIES)
    assert [answer for answer in answers if "error" in answer] == []


def test_the_program_reaches_nothing_beside_its_database(asked: Asked) -> None:
    forbidden = [
        "CREATE DATABASE other",
        "CREATE TABLE default.mine (a Int8) ENGINE = ReplacingMergeTree ORDER BY a",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "CREATE USER other",
    ]
    assert all("error" in answer for answer in asked("fundwatch", *forbidden))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_configuration_is_well_formed(path: Path) -> None:
    assert Xml.parse(path).getroot().tag == "clickhouse"


def test_every_table_of_a_replicated_database_is_replicated(tables: list[str]) -> None:
    made = [statement for statement in tables if re.search(r"\bENGINE\b", statement)]
    assert made
    for statement in made:
        text = statement_for(statement, timezone=ZONE, replicated=True)
        assert re.search(r"ENGINE = Replicated\w*MergeTree\b", text), f"not replicated: {statement[:80]}"
        assert statement_for(text, timezone=ZONE, replicated=True) == text


def test_the_replicas_database_is_the_one_the_program_asks_for() -> None:
    query = (
        Xml.parse(ROOT / "deploy/clickhouse/cluster/replica.xml").getroot().findtext("startup_scripts/scripts/query")
    )
    assert query is not None
    name = StoreSettings.model_fields["clickhouse_database"].default
    assert query.startswith(f"CREATE DATABASE IF NOT EXISTS {name} ENGINE = Replicated(")
