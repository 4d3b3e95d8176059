"""From a dirty episode to its alert: all matching points of one period, folded, recomputed from the ledger each time."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any, Final

import msgspec

from detectors.explain import WITHDRAWN
from detectors.rule import AnyRule, Match
from detectors.windows import Entry, EpisodeKey, Ledger, Memo
from schemas.alert import LIGHT_ORDER, MAX_EVIDENCE, Alert, Window, alert_id, encode_alert
from schemas.instants import Calendar

FINGERPRINT_BYTES: Final = 8


class Fold(msgspec.Struct, gc=False):
    """The matching points of one episode as one finding."""

    raised_at: int
    best: Match[Any]
    light: str
    evidence: list[Entry]


def fold(ledger: Ledger[Any], rule: AnyRule, detail: str, period: int) -> Fold | None:
    """Judge every point of the period; None if none matches."""
    found: Fold | None = None
    members: dict[str, Entry] = {}
    start, end = rule.bounds(period)
    for index in ledger.span(start, end):
        if detail not in rule.glance(ledger, index) or not ledger.counts_at_once(index):
            continue
        match = rule.judge(ledger.window(index, rule.width), detail, ledger)
        if match is None:
            continue
        for entry in match.members:
            members[entry.event_id] = entry
        if found is None:
            found = Fold(ledger.entries[index].at, match, match.light, [])
            continue
        if match.score > found.best.score:
            found.best = match
        if LIGHT_ORDER[match.light] > LIGHT_ORDER[found.light]:
            found.light = match.light
    if found is not None:
        found.evidence = sorted(members.values(), key=lambda entry: (entry.at, entry.event_id))[:MAX_EVIDENCE]
    return found


def review(ledger: Ledger[Any], rules: dict[str, AnyRule], calendar: Calendar) -> list[Alert]:
    """Recompute the dirty episodes of a ledger; the alerts whose content changed, each with its next revision."""
    dirty, ledger.dirty = ledger.dirty, None
    alerts = []
    for key in sorted(dirty or ()):
        rule = rules.get(key[0])
        if rule is not None:
            alert = _revise(ledger, rule, key, calendar)
            if alert is not None:
                alerts.append(alert)
    ledger.clear_away()
    return alerts


def _revise(ledger: Ledger[Any], rule: AnyRule, key: EpisodeKey, calendar: Calendar) -> Alert | None:
    _, detail, period = key
    setting = rule.setting
    identity = alert_id(rule.detector, setting.version, ledger.subject_type, ledger.subject_id, f"{period}|{detail}")
    memo = ledger.memos.get(identity) if ledger.memos else None
    found = fold(ledger, rule, detail, period)
    if found is None:
        if memo is None or not memo.fingerprint:
            return None
        memo.revision += 1
        memo.fingerprint = b""
        return _withdrawal(ledger, rule, identity, memo, calendar)
    alert = _alert(ledger, rule, identity, found, calendar)
    fingerprint = hashlib.blake2b(encode_alert(alert), digest_size=FINGERPRINT_BYTES).digest()
    if memo is None:
        if ledger.memos is None:
            ledger.memos = {}
        memo = ledger.memos[identity] = Memo(rule.opens(period), found.raised_at, 0, b"")
    if memo.fingerprint == fingerprint:
        return None
    memo.fingerprint = fingerprint
    memo.raised_at = found.raised_at
    memo.revision += 1
    return msgspec.structs.replace(alert, revision=memo.revision)


def _alert(ledger: Ledger[Any], rule: AnyRule, identity: str, found: Fold, calendar: Calendar) -> Alert:
    setting, evidence, best = rule.setting, found.evidence, found.best
    person = ledger.subject_id if ledger.subject_type == "person" else None
    fund = 0
    for entry in evidence:
        taken_back = ledger.reversed_at(entry.settlement_id)
        if taken_back is None or taken_back > entry.at + rule.width:
            fund += entry.fund
    return Alert(
        alert_id=identity,
        revision=0,
        detector=rule.detector,
        family=rule.family,
        subject_type=rule.subject,
        subject_id=ledger.subject_id,
        light=found.light,  # type: ignore[arg-type]  # one of the lights of its matches
        score=best.score,
        raised_at=calendar.text(found.raised_at),
        event_ids=[entry.event_id for entry in evidence],
        persons=[person] if person is not None else sorted({entry.person_id for entry in evidence}),  # type: ignore[attr-defined]
        institutions=sorted({entry.institution_id for entry in evidence}),
        window=Window(start=calendar.text(best.members[0].at), end=calendar.text(best.members[-1].at)),
        explanation=rule.explain(best.features),
        features=best.features,
        rule_id=setting.detector,
        rule_version=setting.version,
        shadow=setting.shadow,
        amount=Decimal(fund).scaleb(-2),
    )


def _withdrawal(ledger: Ledger[Any], rule: AnyRule, identity: str, memo: Memo, calendar: Calendar) -> Alert:
    raised_at = calendar.text(memo.raised_at)
    return Alert(
        alert_id=identity,
        revision=memo.revision,
        detector=rule.detector,
        family=rule.family,
        subject_type=rule.subject,
        subject_id=ledger.subject_id,
        light="green",
        score=0.0,
        raised_at=raised_at,
        event_ids=[],
        persons=[ledger.subject_id] if ledger.subject_type == "person" else [],
        institutions=[],
        window=Window(start=raised_at, end=raised_at),
        explanation=WITHDRAWN,
        features={},
        rule_id=rule.setting.detector,
        rule_version=rule.setting.version,
        shadow=rule.setting.shadow,
        amount=Decimal("0.00"),
        withdrawn=True,
    )
