"""Two stores that hold the same for one institution and different things for another: what an office may read must not tell them apart."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client

from clickhouse.client import connect
from clickhouse.migrate import migrate
from clickhouse.panels.macros import expanded
from clickhouse.reference import load_institutions
from clickhouse.settings import StoreSettings
from clickhouse.sink import Sink
from schemas.alert import Alert, Window
from schemas.audit import Finding, Record
from schemas.settlement import Settlement
from tests.fixtures_clickhouse import settlement

OWN, OTHER = "H320600OWN", "H320600OTHER"
MINE, BOTH = "32060001110001", "32060001110002"
"""Persons of the office's institution alone, and of both."""
LAST: Final = datetime(2025, 3, 10, 12, 0, 0, tzinfo=ZoneInfo("Asia/Shanghai"))


@dataclass(frozen=True)
class World:
    """A store in which the other institution lives in one of two ways."""

    client: Client
    settings: StoreSettings
    marks: tuple[str, ...]
    persons: dict[str, str]


def world(url: str, folder: Path, *, busy: bool) -> World:
    """``busy``: the other institution has more documents, other persons, other money."""
    settings = StoreSettings(clickhouse_url=url, clickhouse_database=f"t{uuid.uuid4().hex[:12]}")
    client = connect(settings)
    migrate(client)
    client.command("TRUNCATE TABLE person_secret")
    client.command("INSERT INTO person_secret (secret) VALUES ('the same in both')")
    theirs = "32069992220003" if busy else "32069992220004"
    name = "他院甲" if busy else "他院乙"
    places = folder / f"{busy}.csv"
    places.write_text(
        "fixmedins_code,fixmedins_name,fixmedins_type,hosp_lv,mdtrtarea_admvs,lat,lon\n"
        f"{OWN},本院,1,3,320602,32.0,120.8\n{OTHER},{name},1,3,320602,32.1,120.{9 if busy else 7}\n"
    )
    load_institutions(client, places)
    own = [_document(number, OWN, "本院", person, 100) for number, person in enumerate([MINE, BOTH] * 20)]
    more = [_document(number + 500, OTHER, name, BOTH, 3000 if busy else 2000) for number in range(24 if busy else 9)]
    more += [_document(number + 600, OTHER, name, theirs, 555) for number in range(11 if busy else 5)]
    back = settlement(
        900, event_type="REVERSE", orig_setl_id=own[3].settlement_id, fixmedins_code=OWN, fixmedins_name="本院", psn_no=BOTH, med_type="11",
        setl_time=f"{LAST:%Y-%m-%d %H:%M:%S}", mdtrtarea_admvs="320602", medfee_sumamt="100", fund_pay_sumamt="70", hifp_pay="70",
    )  # fmt: skip
    sink = Sink(settings)
    sink.store(settlements=[*own, back, *more], alerts=_alerts(own, more, name, theirs))
    sink.store_audits(
        [_audit(number, OWN, MINE) for number in range(4)]
        + [_audit(number + 50, OTHER, theirs) for number in range(9 if busy else 3)]
    )
    for _ in range(3):
        sink.refresh()
    sink.close()
    keys = {
        who: client.query(expanded("SELECT person_key(who) FROM (SELECT {who:String} AS who)"), parameters={"who": who}).result_rows[0][0]
        for who in (MINE, BOTH, theirs)
    }  # fmt: skip
    marks = (OTHER, name, theirs, f"{theirs[:4]}****{theirs[-2:]}", f"{OTHER}-T1", keys[theirs])
    return World(client, settings, marks, keys)


def _document(number: int, place: str, name: str, person: str, fee: int) -> Settlement:
    at = LAST - timedelta(hours=7 * (number % 100) + 1)
    stay = number % 5 == 4
    return settlement(
        number, fixmedins_code=place, fixmedins_name=name, psn_no=person, dev_no=f"{place}-T1", opter_id=f"{place}-o",
        mdtrtarea_admvs="320602", med_type="21" if stay else "11", medfee_sumamt=str(fee), fund_pay_sumamt=str(fee * 7 // 10),
        hifp_pay=str(fee * 7 // 10), agnter_certno="", setl_time=f"{at:%Y-%m-%d %H:%M:%S}",
    )  # fmt: skip


def _alerts(own: list[Settlement], more: list[Settlement], name: str, theirs: str) -> list[Alert]:
    def finding(number: int, kind: str, subject: str, documents: list[Settlement], **fields: Any) -> Alert:
        documents = sorted(documents, key=lambda one: (one.settled_at, one.event_id))
        values: dict[str, Any] = {
            "alert_id": f"{number:032x}", "revision": 1, "detector": "agent_buying.trace_code_reuse", "family": "agent_buying",
            "subject_type": kind, "subject_id": subject, "light": "red", "score": 0.9, "raised_at": f"{LAST:%Y-%m-%d %H:%M:%S}",
            "event_ids": [one.event_id for one in documents], "persons": sorted({one.person_id for one in documents}),
            "institutions": sorted({one.institution_id for one in documents}),
            "window": Window(start="2025-01-01 00:00:00", end=f"{LAST:%Y-%m-%d %H:%M:%S}"),
            "explanation": f"{subject} 在 {name}（{OTHER}）等处结算 {len(documents)} 次",
            "features": {"documents": len(documents), name: theirs},
            "rule_id": "agent_buying.trace_code_reuse", "rule_version": 1,
            "amount": sum((one.fund_paid for one in documents), Decimal("0.00")),
        }  # fmt: skip
        return Alert(**(values | fields))

    shared = [own[1], own[5], *more]
    return [
        finding(1, "person", MINE, own[:6:2], explanation=f"参保人 {MINE} 7 天内就诊 3 次", features={"documents": 3}),
        finding(2, "person", BOTH, shared, family="frequent_visits", light="yellow"),
        finding(3, "terminal", f"{OTHER}-T1", shared),
        finding(4, "institution", OTHER, shared),
        finding(5, "drug_code", "81000000000000000001", shared),
        finding(6, "person", theirs, more),
        finding(7, "institution", OTHER, more, light="yellow"),
    ]


def _audit(number: int, place: str, person: str) -> Record:
    told = Finding(
        rule_id="agent_buying.trace_code_reuse", rule_version=1, title="追溯码重复", subject_type="person", light="red", severity="1",
        score=0.9, explanation=f"{place} {person}", basis="", evidence="", order_ids=[], amount=Decimal("12.30"),
    )  # fmt: skip
    return Record(
        audit_id=f"A{number}", msgid=f"{place}-{number}", infno="3101" if number % 2 else "3102", client=f"his-{place}",
        institution_id=place, department_id="A03", doctor_id=f"{place}-D", person_ids=[person],
        asked_at=int((LAST - timedelta(hours=2)).timestamp() * 1000),
        took_ms=5.0 + number, infcode=0, request="{}", answer="{}", digest="d", findings=[(f"J{number}", told)] if number % 3 else [],
    )  # fmt: skip


@pytest.fixture(scope="session")
def worlds(clickhouse_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    folder = tmp_path_factory.mktemp("office")
    both = (world(clickhouse_url, folder, busy=True), world(clickhouse_url, folder, busy=False))
    yield both
    for one in both:
        one.client.command(f"DROP DATABASE `{one.settings.clickhouse_database}`", use_database=False)
        one.client.close()
