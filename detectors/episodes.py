"""From a dirty episode to its alert: all matching points of one period, folded, recomputed from the ledger each time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import msgspec

from detectors.explain import WITHDRAWN, filed_sentence
from detectors.filed import mute
from detectors.rule import AnyRule, Match
from detectors.windows import Entry, EpisodeKey, Ledger, Memo
from schemas.alert import LIGHT_ORDER, MAX_EVIDENCE, Alert, Window, alert_id, encode_alert
from schemas.instants import DAY, Calendar

FINGERPRINT_BYTES: Final = 8
LINK_SPAN: Final = 31 * DAY
"""Findings of a subject raised no further apart speak of the same time."""
MOST_JUDGED: Final = 64
"""Episodes of a subject of which it is remembered what was judged."""
WITNESS_SHARE: Final = 0.5
"""How far another rule's finding is believed to be independent of this one: they look at the same settlements."""


class Fold(msgspec.Struct, gc=False):
    """The matching points of one episode as one finding."""

    raised_at: int
    best: Match[Any]
    light: str
    members: dict[str, Entry]

    @property
    def evidence(self) -> list[Entry]:
        """The oldest of the entries that any of the points found."""
        return sorted(self.members.values(), key=lambda entry: (entry.at, entry.event_id))[:MAX_EVIDENCE]


def fold(ledger: Ledger[Any], rule: AnyRule, detail: str, period: int) -> Fold | None:
    """Judge every point of the period; None if none matches.

    Points that were judged before are not judged again while the ledger has only grown at its end: nothing about them has changed.
    """
    if ledger.judged is None or len(ledger.judged) > MOST_JUDGED:
        ledger.judged = {}
    key = rule.detector, detail, period
    start, end = rule.bounds(period)
    points = ledger.span(start, end)
    found: Fold | None
    last, found = ledger.judged.get(key, (None, None))
    if last is not None:
        points = points[ledger.position(last) + 1 - points.start :]
    exceptions = rule.filed.get(ledger.subject_id)
    for index in points:
        last = ledger.entries[index]
        if detail and detail not in ledger.entries[index].named:
            continue
        if detail not in rule.glance(ledger, index) or not ledger.counts_at_once(index):
            continue
        match = rule.judge(ledger.window(index, rule.width), detail, ledger)
        if match is None:
            continue
        if exceptions:
            match = mute(match, rule.calendar.moment(ledger.entries[index].at).date(), exceptions)
        if found is None:
            found = Fold(ledger.entries[index].at, match, match.light, {})
        for entry in match.members:
            found.members[entry.event_id] = entry
        if match.score > found.best.score:
            found.best = match
        if LIGHT_ORDER[match.light] > LIGHT_ORDER[found.light]:
            found.light = match.light
    if last is not None:
        ledger.judged[key] = last, found
    return found


def review(ledger: Ledger[Any], rules: dict[str, AnyRule], calendar: Calendar) -> list[Alert]:
    """Recompute the dirty episodes of a ledger; the alerts whose content changed, each with its next revision.

    What is found of a subject by one rule raises the score of what others find of it, so these are looked at again too.
    """
    dirty, ledger.dirty = ledger.dirty, None
    folds: dict[str, tuple[AnyRule, Memo, Fold | None]] = {}
    moved: list[Memo] = []
    for key in sorted(dirty or ()):
        rule = rules.get(key[0])
        if rule is None:
            continue
        found = fold(ledger, rule, key[1], key[2])
        identity = _identity(ledger, rule, key)
        memo = _memo(ledger, rule, identity, key, found)
        if memo is not None:
            folds[identity] = rule, memo, found
            if memo_moves(memo, found):
                moved.append(memo)
    memos = ledger.memos or {}
    if moved and len(memos) > 1:
        for identity, memo in memos.items():
            rule = rules.get(memo.key[0])
            if rule is None or identity in folds or not memo.score or not any(linked(memo, other) for other in moved):
                continue
            if rule.opens(memo.key[2]) > ledger.floor_of(rule) and identity == _identity(ledger, rule, memo.key):
                folds[identity] = rule, memo, fold(ledger, rule, memo.key[1], memo.key[2])
    alerts = [_publish(ledger, identity, *folds[identity], calendar) for identity in sorted(folds)]
    ledger.clear_away()
    return [alert for alert in alerts if alert is not None]


def _identity(ledger: Ledger[Any], rule: AnyRule, key: EpisodeKey) -> str:
    subject = ledger.subject_type, ledger.subject_id
    return alert_id(rule.detector, rule.setting.version, *subject, f"{key[2]}|{key[1]}")


def _memo(ledger: Ledger[Any], rule: AnyRule, identity: str, key: EpisodeKey, found: Fold | None) -> Memo | None:
    """The memo of an episode; None if there is none and nothing to note."""
    memo = ledger.memos.get(identity) if ledger.memos else None
    if memo is None and found is not None:
        if ledger.memos is None:
            ledger.memos = {}
        memo = ledger.memos[identity] = Memo(key, rule.opens(key[2]))
    return memo


def memo_moves(memo: Memo, found: Fold | None) -> bool:
    """Write into a memo what was found; whether that matters to other findings of the subject."""
    before = memo.raised_at, memo.score, memo.muted
    if found is None:
        memo.score = 0.0
    else:
        memo.raised_at, memo.score, memo.muted = found.raised_at, found.best.score, found.light == "green"
    return before != (memo.raised_at, memo.score, memo.muted)


def linked(memo: Memo, other: Memo) -> bool:
    """Whether two findings of a subject speak of the same time and not of the same thing."""
    return memo.key[:2] != other.key[:2] and abs(memo.raised_at - other.raised_at) <= LINK_SPAN


def joined_score(memo: Memo, memos: Iterable[Memo]) -> float:
    """The score of a finding, raised by what else is found of its subject at the time: the strongest of each other rule counts.

    As when independent witnesses agree: what is missing to 1 shrinks with each of them, by a share of that witness's own score.
    """
    if memo.muted:
        return memo.score
    witnesses: dict[str, float] = {}
    for other in memos:
        if other.score and not other.muted and linked(memo, other):
            witnesses[other.key[0]] = max(witnesses.get(other.key[0], 0.0), other.score)
    doubt = 1 - memo.score
    for _, score in sorted(witnesses.items()):
        doubt *= 1 - WITNESS_SHARE * score
    return round(1 - doubt, 4)


def _publish(
    ledger: Ledger[Any], identity: str, rule: AnyRule, memo: Memo, found: Fold | None, calendar: Calendar
) -> Alert | None:
    if found is None:
        if not memo.fingerprint:
            return None
        memo.revision += 1
        memo.fingerprint = b""
        return _withdrawal(ledger, rule, identity, memo, calendar)
    score = joined_score(memo, (ledger.memos or {}).values())
    alert = _alert(ledger, rule, identity, found, score, calendar)
    fingerprint = hashlib.blake2b(encode_alert(alert), digest_size=FINGERPRINT_BYTES).digest()
    if memo.fingerprint == fingerprint:
        return None
    memo.fingerprint = fingerprint
    memo.revision += 1
    return msgspec.structs.replace(alert, revision=memo.revision)


def _alert(ledger: Ledger[Any], rule: AnyRule, identity: str, found: Fold, score: float, calendar: Calendar) -> Alert:
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
        score=score,
        raised_at=calendar.text(found.raised_at),
        event_ids=[entry.event_id for entry in evidence],
        persons=[person] if person is not None else sorted({entry.person_id for entry in evidence}),  # type: ignore[attr-defined]
        institutions=sorted({entry.institution_id for entry in evidence}),
        window=Window(start=calendar.text(best.members[0].at), end=calendar.text(best.members[-1].at)),
        explanation=rule.explain(best.features) + filed_sentence(best.features),
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
