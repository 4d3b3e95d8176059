"""Settlements made to order, and a judge driven the way the worker drives it: batches, states that go to bytes and back."""

from __future__ import annotations

import atexit
import json
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from detectors import Judge, PersonState, PlaceState, Reference, load_rules
from detectors.reference import Drug, Institution
from schemas.alert import Alert
from schemas.fact import Fact, PlaceKind
from schemas.instants import DAY, Calendar
from schemas.settlement import Settlement, decode_settlement

START = datetime(2025, 3, 1, 8, 0, 0)  # noqa: DTZ001  wire times carry no zone
DRUGS = {"X1": ("G1", True), "X2": ("G1", True), "X3": ("G2", False), "X4": ("G3", True)}
PLACES = {"A": (31.98, 120.89), "B": (31.98, 121.89)}
"""Latitude and longitude of the institutions whose place is known: 94 km apart."""
DIGESTED = (
    "alert_id", "detector", "subject_type", "subject_id", "light", "raised_at", "event_ids", "rule_id", "rule_version", "shadow",
)  # fmt: skip


def reference() -> Reference:
    """Four item codes of three generics; G2 is not monitored. Two institutions have a place."""
    return Reference(
        {code: Drug(generic, f"药{generic}", 7 * DAY, watched) for code, (generic, watched) in DRUGS.items()},
        {code: Institution(f"机构{code}", False, "", "", *place) for code, place in PLACES.items()},
    )


def small_rules() -> Path:
    """A rule file with limits so low that a few random events match: ``small_rules.toml`` and every file in ``small/``."""
    here = Path(__file__).parent
    parts = [here / "small_rules.toml", *sorted((here / "small").glob("*.toml"))]
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8", delete=False) as file:
        file.write("\n".join(part.read_text("utf-8") for part in parts))
    atexit.register(Path(file.name).unlink, missing_ok=True)
    return Path(file.name)


def judge(rules: Path | None = None) -> Judge:
    """A judge with the shipped rules, or those values replaced."""
    return Judge(load_rules(rules), reference(), Calendar())


def moment(text: str) -> datetime:
    """``3d 04:05:06`` (days after START's midnight) or a wire time."""
    if "d " in text:
        days, clock = text.split("d ")
        return datetime.combine(START.date(), datetime.min.time()) + timedelta(
            days=int(days), hours=int(clock[:2]), minutes=int(clock[3:5]), seconds=int(clock[6:8] or 0)
        )
    return datetime.fromisoformat(text)


def event(number: int, at: datetime | str, **fields: Any) -> dict[str, Any]:
    """A pharmacy purchase by person P1 at institution A; ``fields`` replace wire fields."""
    wire: dict[str, Any] = {
        "event_id": f"E{number:05d}", "event_type": "SETTLE", "orig_setl_id": None, "setl_id": f"S{number}",
        "mdtrt_id": f"M{number}", "psn_no": "P1", "med_type": "41", "setl_time": str(moment(at) if isinstance(at, str) else at),
        "fixmedins_code": "A", "dev_no": "A-T1", "medfee_sumamt": "100", "fund_pay_sumamt": "70.50", "agnter_certno": None,
        "agnter_rlts": None, "long_rx_flag": "0", "lines": [], "brdy": None, "psn_type": None, "begndate": None,
        "insuplc_admdvs": None, "mdtrtarea_admvs": None, "diagnoses": None,
    }  # fmt: skip
    unknown = fields.keys() - wire.keys()
    assert not unknown, unknown
    return wire | fields


def visit(number: int, at: datetime | str, **fields: Any) -> dict[str, Any]:
    """An outpatient visit where a drug was prescribed."""
    return event(number, at, **({"med_type": "11", "lines": [drug("X3", 3)]} | fields))


def drug(item: str = "X1", days: float | None = 7, *codes: str, yuan: str = "30.00") -> dict[str, Any]:
    """A line; ``days`` None: how long it lasts is not known."""
    return {
        "med_list_codg": item, "list_type": "101", "cnt": "1", "prd_days": None if days is None else str(days),
        "det_item_fee_sumamt": yuan, "drug_trac_codg": list(codes),
    }  # fmt: skip


def reversal(number: int, at: datetime | str, original: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """What takes ``original`` back, from the same terminal unless told otherwise."""
    return {
        **original,
        "event_id": f"R{number:05d}",
        "event_type": "REVERSE",
        "orig_setl_id": original["setl_id"],
        "setl_id": f"RS{number}",
        "setl_time": str(moment(at) if isinstance(at, str) else at),
        "fund_pay_sumamt": f"-{original['fund_pay_sumamt']}",
        **fields,
    }


def decode(wire: dict[str, Any]) -> Settlement:
    """Through the real decoder."""
    return decode_settlement(orjson.dumps(wire))


class Drive:
    """Feeds settlements to a judge and keeps every alert's last revision."""

    def __init__(self, judge: Judge, *, batch: int = 1, reload_every: int = 0) -> None:
        self.judge = judge
        self.batch = batch
        self.reload_every = reload_every
        self.persons: dict[str, PersonState] = {}
        self.cohort = judge.cohort(self.person)
        self.places: dict[tuple[PlaceKind, str], PlaceState] = {}
        self.published: list[Alert] = []
        self.last: dict[str, Alert] = {}
        self._count = 0

    def run(self, events: list[dict[str, Any]]) -> Drive:
        """All events, and a review at the end."""
        for wire in events:
            self.enter(wire)
        self.review()
        return self

    def enter(self, wire: dict[str, Any]) -> None:
        """One event, its facts told at once."""
        settlement = decode(wire)
        for fact in self.judge.settle(self.person(settlement.person_id), settlement):
            self.tell(fact)
        self.pause()

    def person(self, person_id: str) -> PersonState:
        """A person's state, new at first."""
        if person_id not in self.persons:
            self.persons[person_id] = self.judge.person(person_id, None, self.cohort)
        return self.persons[person_id]

    def tell(self, fact: Fact) -> None:
        """One fact to its place."""
        place = self.places.setdefault((fact.kind, fact.place_id), self.judge.place(fact.kind, fact.place_id, None))
        self.judge.witness(place, fact)

    def pause(self) -> None:
        """What happens between two events: nothing, a restart, the end of a batch."""
        self._count += 1
        if self.reload_every and self._count % self.reload_every == 0:
            self.reload()
        if self._count % self.batch == 0:
            self.review()

    def reload(self) -> None:
        """Every state to bytes and back, as after a restart."""
        rows = self.cohort.rows(whole=True) if self.cohort is not None else None
        self.cohort = self.judge.cohort(self.person, rows)
        self.persons = {key: self.judge.person(key, state.dump(), self.cohort) for key, state in self.persons.items()}
        self.places = {key: self.judge.place(*key, state.dump()) for key, state in self.places.items()}

    def review(self) -> None:
        for state in (*self.persons.values(), *self.places.values()):
            for alert in self.judge.review(state):
                known = self.last.get(alert.alert_id)
                assert alert.revision == (known.revision + 1 if known else 1)
                self.last[alert.alert_id] = alert
                self.published.append(alert)

    @property
    def alerts(self) -> list[Alert]:
        """Last revisions, without withdrawn ones, by time raised."""
        standing = [alert for alert in self.last.values() if not alert.withdrawn]
        return sorted(standing, key=lambda alert: (alert.raised_at, alert.detector, alert.subject_id))

    def of(self, detector: str) -> list[Alert]:
        """The standing alerts of one detector, by its short name."""
        return [alert for alert in self.alerts if alert.detector.endswith(f".{detector}")]

    def digested(self) -> dict[str, dict[str, Any]]:
        """The digest fields per alert id, as the oracle gives them."""
        return {
            alert.alert_id: {name: getattr(alert, name) for name in DIGESTED} | {"amount": str(alert.amount)}
            for alert in self.alerts
        }


def described(alerts: list[Alert]) -> str:
    """Alerts as text for a failing assertion."""
    return json.dumps(
        [[alert.detector, alert.subject_id, alert.light, alert.raised_at, alert.event_ids] for alert in alerts]
    )
