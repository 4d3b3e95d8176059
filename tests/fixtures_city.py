"""A store filled with the public sample, what the rules find in it, a finding of every light on its last day and what hospitals asked
in its last two days, once per session."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from clickhouse.client import connect
from clickhouse.migrate import migrate
from clickhouse.reference import load_institutions
from clickhouse.settings import StoreSettings
from clickhouse.sink import Sink
from detectors.backtest import open_settlements, run
from detectors.judge import Judge
from detectors.parameters import load_rules
from detectors.reference import Reference
from schemas.alert import Alert, Window, alert_id
from schemas.audit import Finding, Record
from schemas.deadletter import DeadLetter
from schemas.instants import Calendar
from schemas.settlement import Settlement, decode_settlement

_SAMPLE = Path(__file__).with_name("data")
_UNREADABLE = [
    DeadLetter(
        topic=topic,
        partition=0,
        offset=offset,
        field="setl_time",
        reason=f"expected a time, got {offset}",
        key=b"",
        value=b"{}",
    )
    for topic, offset in (("settlements", 7), ("settlements", 8), ("audit.requests", 1))
]


@dataclass(frozen=True)
class City:
    """What is in the filled store."""

    settings: StoreSettings
    settlements: list[Settlement]
    alerts: list[Alert]

    @property
    def own(self) -> str:
        """An institution with findings of its own and findings it shares with others."""
        return self.alerts[-1].institutions[0]


@pytest.fixture(scope="session")
def city(clickhouse_url: str) -> City:
    settings = StoreSettings(clickhouse_url=clickhouse_url, clickhouse_database=f"t{uuid.uuid4().hex[:12]}")
    client = connect(settings)
    migrate(client)
    institutions, drugs = _SAMPLE / "public-sample.institutions.csv", _SAMPLE / "public-sample.drugs.csv"
    load_institutions(client, institutions)
    lines = list(open_settlements(_SAMPLE / "public-sample.jsonl.zst"))
    settlements = [decode_settlement(line) for line in lines]
    judged = run(lines, Judge(load_rules(), Reference.load(institutions, drugs), Calendar()))
    alerts = [*judged.alerts, *_findings_of_the_last_day(settlements)]
    sink = Sink(settings)
    sink.store(settlements=settlements, alerts=alerts, dead_letters=_UNREADABLE)
    sink.store_audits(_audits_of_the_last_days(settlements))
    sink.refresh()
    sink.close()
    return City(settings, settlements, alerts)


def _findings_of_the_last_day(settlements: list[Settlement]) -> list[Alert]:
    """One finding per light on the latest documents, each on two institutions, and one that names a single institution."""
    last = sorted((one for one in settlements if one.kind == "SETTLE"), key=lambda one: (one.settled_at, one.event_id))[
        -12:
    ]
    pairs = [("red", last[0:3]), ("yellow", last[3:6]), ("green", last[6:9])]
    home = last[-1].institution_id
    shared = next(one for one in reversed(last) if one.institution_id != home)
    return [_finding(light, documents) for light, documents in pairs] + [
        _finding("yellow", [last[-1]]),
        _finding("red", [last[-1], shared], first=home),
    ]


def _finding(light: str, documents: list[Settlement], first: str = "") -> Alert:
    at = max(one.settled_at for one in documents)
    persons = sorted({one.person_id for one in documents})
    places = sorted({one.institution_id for one in documents}, key=lambda place: (place != first, place))
    return Alert(
        alert_id=alert_id("agent_buying.trace_code_reuse", 1, "drug_code", documents[0].event_id, light),
        revision=1,
        detector="agent_buying.trace_code_reuse",
        family="agent_buying",
        subject_type="drug_code",
        subject_id=f"8{documents[0].event_id[-12:]}",
        light=light,  # type: ignore[arg-type]
        score=0.9,
        raised_at=f"{at:%Y-%m-%d %H:%M:%S}",
        event_ids=[one.event_id for one in documents],
        persons=persons,
        institutions=places,
        window=Window(start=f"{at - timedelta(days=30):%Y-%m-%d %H:%M:%S}", end=f"{at:%Y-%m-%d %H:%M:%S}"),
        explanation=f"追溯码在 {'、'.join(places)} 结算 {len(documents)} 次，首次为 {persons[0]}",
        features={"settlements": len(documents), "first": persons[0]},
        rule_id="agent_buying.trace_code_reuse",
        rule_version=1,
        amount=sum((one.fund_paid for one in documents), Decimal("0.00")),
    )


def _audits_of_the_last_days(settlements: list[Settlement]) -> list[Record]:
    """Every settlement of two days asked about beforehand: some shown something and changed or gone on with, some without an answer."""
    settled = sorted(
        (one for one in settlements if one.kind == "SETTLE"), key=lambda one: (one.settled_at, one.event_id)
    )
    since = settled[-1].settled_at - timedelta(days=2)
    records = []
    for number, one in enumerate(document for document in settled if document.settled_at > since):
        at = one.settled_at - timedelta(minutes=2)
        shown = _ASKED[number % len(_ASKED)]
        findings = [(f"J{number}-{rule}", _shown(rule, light)) for rule, light in shown]
        records.append(
            _record(
                number, one, at, infno="3102" if number % 3 else "3101", undecided=number % 23 == 22, infcode=0 if number % 41 else -1,
                findings=findings if number % 23 != 22 and number % 41 else [], took_ms=8.0 + number % 37,
            )
        )  # fmt: skip
        if records[-1].findings and number % 13:
            way = ("2", "1")[number % 3 % 2]
            feedback = [(jr_id, way, "") for jr_id, finding in findings if finding.light != "green"]
            records.append(
                _record(
                    100_000 + number,
                    one,
                    at + timedelta(minutes=1),
                    infno="3103",
                    took_ms=4.0,
                    infcode=0,
                    feedback=feedback,
                )
            )
    return records


_ASKED: list[list[tuple[str, str]]] = [
    [], [], [], [("frequent_visits.rolling_count", "yellow")], [], [("agent_buying.days_supply", "red")], [],
    [("agent_buying.collector_cards", "red"), ("agent_buying.generic_spread", "yellow")], [], [("agent_buying.days_supply", "green")],
]  # fmt: skip


def _shown(rule: str, light: str) -> Finding:
    return Finding(
        rule_id=rule, rule_version=1, title=rule, subject_type="person", light=light, severity="2", score=0.8,  # type: ignore[arg-type]
        explanation="", basis="", evidence="", amount=Decimal("12.30"),
    )  # fmt: skip


def _record(number: int, one: Settlement, at: datetime, **fields: object) -> Record:
    return Record(
        audit_id=f"A{number}", msgid=f"M{number}", client="his", institution_id=one.institution_id, person_ids=[one.person_id],
        asked_at=int(at.replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000), request="{}", answer="{}", digest=f"{number}",
        **fields,  # type: ignore[arg-type]
    )  # fmt: skip
