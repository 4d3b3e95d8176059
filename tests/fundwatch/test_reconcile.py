"""``fundwatch reconcile`` as an operator and as a program see it."""

from __future__ import annotations

import json
from subprocess import CompletedProcess

import pytest
from clickhouse_connect.driver.client import Client

from clickhouse.sink import Sink
from tests.fixtures_clickhouse import alert, settlement
from tests.fundwatch.test_cli import run

pytestmark = pytest.mark.embedded


def test_it_says_where_a_number_differs(store: Client, clickhouse_url: str) -> None:
    def reconcile(*options: str) -> CompletedProcess[bytes]:
        database = str(store.database)
        return run(
            "reconcile", *options, FUNDWATCH_CLICKHOUSE_URL=clickhouse_url, FUNDWATCH_CLICKHOUSE_DATABASE=database
        )

    sink = Sink(store)
    sink.store([settlement(n) for n in range(1, 5)], [alert(1)])
    waiting = reconcile()
    assert waiting.returncode == 1
    assert "1 hours wait for their refresh" in waiting.stdout.decode()
    sink.refresh()
    good = reconcile()
    assert (good.returncode, good.stderr) == (0, b"")
    assert good.stdout.decode().splitlines()[-1] == "the panels say what is stored"
    store.command(
        "INSERT INTO panel_hourly SELECT * REPLACE (events + 1 AS events, drug_fee + 5 AS drug_fee) FROM (SELECT * FROM panel_hourly FINAL)"
    )
    bad = reconcile()
    assert bad.returncode == 1
    assert (
        "panel_hourly hour=2025-03-10 09:00:00 mdtrtarea_admvs=320602 fixmedins_code=P1 med_type=41: drug_fee panel=405.4 raw=400.4"
        in bad.stdout.decode()
    )
    told = reconcile("--json")
    whole = json.loads(told.stdout)
    assert told.returncode == 1
    assert whole["waiting_hours"] == 0
    hours = next(each for each in whole["aggregates"] if each["aggregate"] == "panel_hourly")
    assert (hours["cells"], hours["differing"], hours["first"][0]["panel"]) == (1, 1, "5")


def test_a_store_that_is_away_is_no_difference() -> None:
    done = run("reconcile", FUNDWATCH_CLICKHOUSE_URL="http://127.0.0.1:9", FUNDWATCH_CLICKHOUSE_TIMEOUT="2")
    assert done.returncode == 2
    assert b"nothing was compared" in done.stderr
    assert b"Traceback" not in done.stderr
