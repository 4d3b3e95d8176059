"""An independent answer to what the alerts of a set of events are: brute force, nothing kept, nothing shared with detectors."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

Event = dict[str, Any]
Parameters = dict[str, dict[str, int]]
"""Values per detector by name; ``version`` and ``episode`` are 1 and as shipped."""

NEVER = datetime(9999, 1, 1)  # noqa: DTZ001  wire times carry no zone
PHARMACY_CARE = ("41", "9929")


def expected(
    events: list[Event],
    parameters: Parameters,
    drugs: dict[str, tuple[str, bool]],
    filed: list[dict[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """The digest fields per alert id. Events are wire objects; ``drugs`` maps item code to (generic, monitored).

    ``filed`` are the tables of a file of exceptions.
    """
    unique = {event["event_id"]: event for event in events}.values()
    taken_back: dict[str, datetime] = {}
    for event in unique:
        if event["event_type"] == "REVERSE":
            at, known = _at(event), taken_back.get(event["orig_setl_id"])
            taken_back[event["orig_setl_id"]] = at if known is None else min(at, known)
    settlements = sorted(
        (event for event in unique if event["event_type"] == "SETTLE"),
        key=lambda event: (_at(event), event["event_id"]),
    )
    found: dict[str, dict[str, Any]] = {}
    for detector, values in parameters.items():
        subject_type, split, width, judge = RULES[detector](values, drugs)
        ledgers = defaultdict(list)
        for event in settlements:
            for subject, detail in split(event):
                ledgers[subject, detail].append(event)
        months = 0 if detector in DAILY else 3 if detector in QUARTERLY else 1
        for (subject, detail), entries in ledgers.items():
            named = {"*", detector, detector.split(".")[0]}
            spans = [
                (str(one["from"]), str(one["to"]))
                for one in filed or []
                if one["subject_type"] == subject_type and one["subject_id"] == subject and named & set(one["rules"])
            ]
            for alert in _episodes(entries, taken_back, width, judge, months, detail, spans):
                period = alert.pop("period")
                identity = "\x1f".join((detector, "1", subject_type, subject, f"{period}|{alert.pop('detail')}"))
                key = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
                found[key] = {
                    "alert_id": key, "detector": detector, "subject_type": subject_type, "subject_id": subject,
                    "rule_id": detector, "rule_version": 1, "shadow": False, **alert,
                }  # fmt: skip
    return found


DAILY = (
    "frequent_visits.institutions_per_day",
    "agent_buying.returning_group",
    "agent_buying.shared_terminal",
    "agent_buying.same_drug_rush",
)
QUARTERLY = ("agent_buying.days_supply",)


def _episodes(entries, taken_back, width, judge, months, detail, spans):  # type: ignore[no-untyped-def]
    episodes = defaultdict(list)
    for position, point in enumerate(entries):
        now = _at(point)
        window = [
            entry
            for entry in entries[: position + 1]
            if _at(entry) > now - width and taken_back.get(entry["setl_id"], NEVER) > now
        ]
        if point not in window:
            continue
        verdict = judge(point, window, detail)
        if verdict is not None:
            light, members = verdict
            if any(first <= str(now.date()) <= last for first, last in spans):
                light = "green"
            period = (now.year * 12 + now.month - 1) // months if months else (now.date() - date(1970, 1, 1)).days
            episodes[period].append((now, light, members))
    for period, matches in episodes.items():
        evidence = {entry["event_id"]: entry for _, _, members in matches for entry in members}
        oldest = sorted(evidence.values(), key=lambda entry: (_at(entry), entry["event_id"]))[:200]
        money = 0
        for entry in oldest:
            back = taken_back.get(entry["setl_id"])
            if back is None or back > _at(entry) + width:
                money += round(float(entry["fund_pay_sumamt"]) * 100)
        lights = {light for _, light, _ in matches}
        yield {
            "period": period,
            "detail": detail,
            "light": next(light for light in ("red", "yellow", "green") if light in lights),
            "raised_at": str(min(now for now, _, _ in matches)),
            "event_ids": [entry["event_id"] for entry in oldest],
            "amount": f"{money // 100}.{money % 100:02d}",
        }


def _at(event: Event) -> datetime:
    return datetime.fromisoformat(event["setl_time"])


def _inpatient(event: Event) -> bool:
    return event["med_type"] == "21"


def _pharmacy(event: Event) -> bool:
    return event["med_type"] in PHARMACY_CARE


def _long(event: Event) -> bool:
    return event["long_rx_flag"] == "1"


def _generics(event: Event, drugs: dict[str, tuple[str, bool]]) -> dict[str, int]:
    """Seconds of supply per generic of a settlement."""
    supply: dict[str, int] = defaultdict(int)
    for line in event["lines"]:
        if line["med_list_codg"] in drugs:
            supply[drugs[line["med_list_codg"]][0]] += int(float(line["prd_days"]) * 86_400)
    return supply


def _per_day(values, drugs):  # type: ignore[no-untyped-def]
    def judge(point, window, detail):  # type: ignore[no-untyped-def]
        if _inpatient(point):
            return None
        day = [entry for entry in window if _at(entry).date() == _at(point).date() and not _inpatient(entry)]
        if len({entry["fixmedins_code"] for entry in day}) < values["limit"]:
            return None
        rest = {entry["fixmedins_code"] for entry in day if not _long(entry)}
        count = len({entry["fixmedins_code"] for entry in day})
        return lit(count / values["limit"], 0.5, muted=len(rest) < values["limit"]), day

    return "person", _by_person, timedelta(hours=25), judge


def lit(excess, certainty, *, muted):  # type: ignore[no-untyped-def]
    """The light of a count that is ``excess`` times its limit: red from a score of 0.95 on."""
    if muted:
        return "green"
    return "red" if round(1 - (1 - certainty) / excess, 4) >= 0.95 else "yellow"


def _trace(values, drugs):  # type: ignore[no-untyped-def]
    def split(event):  # type: ignore[no-untyped-def]
        return [(code, "") for code in {code for line in event["lines"] for code in line["drug_trac_codg"]}]

    def judge(point, window, detail):  # type: ignore[no-untyped-def]
        return ("red", window) if len({entry["setl_id"] for entry in window}) >= values["limit"] else None

    return "drug_code", split, timedelta(days=values["window"]), judge


def _by_person(event):  # type: ignore[no-untyped-def]
    return [(event["psn_no"], "")]


def discovered():  # type: ignore[no-untyped-def]
    """One module per newer rule: DETECTOR and oracle(values, drugs), in tests/detectors/oracles."""
    package = importlib.import_module("tests.detectors.oracles")
    return [
        importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)
    ]


SHIPPED = {
    "frequent_visits.institutions_per_day": _per_day,
    "agent_buying.trace_code_reuse": _trace,
}
RULES = SHIPPED | {module.DETECTOR: module.oracle for module in discovered()}
