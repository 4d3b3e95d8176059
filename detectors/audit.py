"""An audit before settlement: what would be found were a bill settled, and what is known of a person before a visit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, cast

import msgspec

from detectors.episodes import joined_score
from detectors.exemptions import SERIES, SHORTEST_SERIES, Excuses
from detectors.explain import filed_sentence
from detectors.filed import mute
from detectors.judge import Judge, build_rule
from detectors.person import NO_VISIT, Visit
from detectors.place import Sale, read_sale
from detectors.rule import AnyRule, Features, Match
from detectors.rules.days_supply import DaysSupply, Holding
from detectors.state import PersonState, PlaceState
from detectors.windows import Entry, Ledger
from schemas.alert import LIGHT_ORDER
from schemas.audit import Finding, Medication, OpenFinding, Patient, Seen, Series
from schemas.fact import INPATIENT, PHARMACY, Fact
from schemas.instants import DAY, MINUTE
from schemas.settlement import Line, Settlement, code

SKEW: Final = 15 * MINUTE
"""Clocks of hospitals differ: what was settled up to so much later than a bill says it is asked was there before it."""
LOOK_BACK: Final = 90 * DAY
"""What staff are shown of a person."""
COUNTED_DAYS: Final = (1, 7, 30, 90)
UNDER_WAY: Final = 30 * DAY
"""A series whose last treatment is longer ago has ended."""
MOST: Final = 50
"""Visits, drugs, findings that staff are shown; the newest."""
MOST_TOLD: Final = 10
"""Places and days that evidence names; the newest."""
LONGEST_EVIDENCE: Final = 500
"""Characters of ``vola_evid`` on the wire."""
PERSON: Final = "psn_no"
"""Features whose names end like this tell a person."""
HIDDEN: Final = "****"


class Auditor:
    """Asks the rules of a judge about what is not settled yet. It keeps nothing, and leaves every state exactly as it was.

    Calls must not run at the same time as others on the same state. Rules in shadow are not asked.
    """

    def __init__(self, judge: Judge) -> None:
        self._rules = judge.rules
        self._calendar = judge.calendar
        self._reference = judge.reference
        self._reader = judge.reader()
        self._severity = judge.book.severity
        self._open = frozenset(name for name, rule in judge.rules.items() if not rule.setting.shadow)
        self._series = Excuses([SERIES])
        # also where the rule itself is turned off
        setting = judge.book.rule(DaysSupply.detector)
        self._supply = cast(DaysSupply, build_rule(setting, judge.reference, judge.calendar))

    def bill(
        self, state: PersonState, bill: Settlement, rule_ids: Collection[str] = ()
    ) -> tuple[list[Finding], list[Fact]]:
        """What would be found of the person were the bill settled, and the facts to ask its places about.

        ``rule_ids`` limits the findings to these detectors; empty: all. Nothing is found of a reversal or a refund. Where the bill was
        settled already, that settlement is left out, and a fact for a place that knows it bears its event and settlement id.
        """
        if bill.kind == "REVERSE" or code(bill.refunded) == "1":
            return [], []
        visit = self._reader.visit(bill, self._calendar.instant(bill.settled_at))
        own = self._settled(state, visit)
        with state.without({entry.settlement_id for entry in own}):
            visit.at = _instant(state, visit)
            whole = Decimal(visit.fee).scaleb(-2)
            found = self._findings(state, visit, rule_ids, bill.person_id, bill.lines or (), whole)
            facts = self._reader.facts(bill, visit, state)
        return found, [_as_settled(fact, own) for fact in facts]

    def place(
        self, state: PlaceState, fact: Fact, rule_ids: Collection[str] = (), bill: Settlement | None = None
    ) -> list[Finding]:
        """What would be found of a place, collector or trace code were a bill settled that tells it ``fact``.

        With the bill itself the findings name the orders they are about; without it they name none, and the amount is what the fund pays.
        A settlement the place knows by the fact's settlement id is left out: it is the bill.
        """
        if fact.reverses:
            return []
        sale, is_new, lines = read_sale(fact), False, []
        if bill is not None:
            # a ledger is looked through only where the person's side found that the bill was settled
            is_new = bill.event_id == fact.event_id
            sale.event_id, lines = bill.event_id, bill.lines or []
        with state.without(() if is_new else (fact.settlement_id,)):
            sale.at = _instant(state, sale)
            return self._findings(state, sale, rule_ids, fact.person_id, lines, Decimal(fact.fund).scaleb(-2))

    def _settled(self, state: PersonState, visit: Visit) -> list[Visit]:
        """The settlements of the bill itself that stand: it is asked about once more.

        A visit is known by its id and institution, a stay by its institution and first day. Of a pharmacy purchase no such id is kept:
        it is the same one where a box of it was settled there that day. Other boxes are another bill, also of the same visit.
        """
        boxes, day = frozenset(visit.trace_codes), self._calendar.day(visit.at)

        def is_own(entry: Visit) -> bool:
            if entry.settlement_id == visit.settlement_id:
                return True
            if entry.institution_id != visit.institution_id:
                return False
            same_box = not boxes.isdisjoint(entry.trace_codes)
            if boxes and entry.trace_codes and not same_box:
                return False
            if entry.visit_id or visit.visit_id:
                return entry.visit_id == visit.visit_id
            if entry.began or visit.began:
                return entry.began == visit.began
            return same_box and self._calendar.day(entry.at) == day

        return [entry for entry in state.entries if is_own(entry) and state.reversed_at(entry.settlement_id) is None]

    def _findings(
        self,
        ledger: Ledger[Any],
        entry: Entry,
        rule_ids: Collection[str],
        person_id: str,
        lines: Sequence[Line],
        whole: Decimal,
    ) -> list[Finding]:
        """``whole`` is the amount where no lines are known."""
        asked = self._open.intersection(rule_ids) if rule_ids else self._open
        found = []
        for rule, detail, match in ledger.probe(entry, asked):
            filed = rule.filed.get(ledger.subject_id)
            if filed:
                match = mute(match, self._calendar.moment(entry.at).date(), filed)
            about = lines
            if ledger.subject_type == "drug_code":
                about = [line for line in lines if ledger.subject_id in (line.trace_codes or ())] or lines
            elif detail:
                about = [line for line in lines if self._concerns(line, detail)] or lines
            found.append(self._finding(rule, detail, match, entry, person_id, about, whole))
        return sorted(found, key=lambda one: (-LIGHT_ORDER[one.light], -one.score, one.rule_id))

    def _concerns(self, line: Line, detail: str) -> bool:
        """Whether a detail (a generic, an item code) is about a line."""
        item = line.item_code
        if item is None:
            return False
        drug = self._reference.drugs.get(item)
        return detail == item or (drug is not None and detail == drug.generic)

    def _finding(
        self,
        rule: AnyRule,
        detail: str,
        match: Match[Any],
        entry: Entry,
        person_id: str,
        lines: Sequence[Line],
        whole: Decimal,
    ) -> Finding:
        setting = rule.setting
        features = _without_others(match.features, person_id)
        amount = sum((line.amount or Decimal(0) for line in lines), Decimal(0)) if lines else whole
        return Finding(
            rule_id=rule.detector,
            rule_version=setting.version,
            title=setting.title,
            subject_type=rule.subject,
            light=match.light,
            severity=self._severity[match.light],
            score=match.score,
            explanation=rule.explain(features) + filed_sentence(features),
            basis=setting.basis,
            evidence=self._evidence([one for one in match.members if one is not entry], detail, person_id),
            order_ids=[line.line_id for line in lines if line.line_id],
            amount=amount,
            features=features,
        )

    # -- words

    def _evidence(self, before: Sequence[Entry], detail: str, person_id: str) -> str:
        """For example 此前3次（涉及其他2人）：2025-03-02 08:15 南通市中医院 2次共14天用量；2025-03-05 10:00 机构P32060100001。"""
        if not before:
            return "此前无相关结算，依据为本次单据。"
        others = {one.person_id for one in before if isinstance(one, Sale)} - {person_id}
        head = f"此前{len(before)}次" + (f"（涉及其他{len(others)}人）" if others else "")
        groups, told = self._newest_by_day_and_place(before), list[str]()
        room, shown = LONGEST_EVIDENCE - len(head) - len("，最近：。"), 0
        for group in groups:
            text = self._told(group, detail)
            room -= len(text) + 1
            if room < 0:
                break
            told.append(text)
            shown += len(group)
        begin = "：" if shown == len(before) else "，最近："
        return f"{head}{begin}{'；'.join(reversed(told))}。"

    def _newest_by_day_and_place(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        """The newest first, as many as are told; each holds its entries newest first."""
        day_of, groups = self._calendar.day, dict[tuple[int, str], list[Entry]]()
        oldest = 0
        for entry in reversed(entries):
            day = day_of(entry.at)
            group = groups.get((day, entry.institution_id))
            if group is not None:
                group.append(entry)
            elif len(groups) < MOST_TOLD:
                groups[day, entry.institution_id], oldest = [entry], day
            elif day < oldest:
                break
        return list(groups.values())

    def _told(self, group: list[Entry], detail: str) -> str:
        first = group[-1]
        known = self._reference.institutions.get(first.institution_id)
        name = known.name if known is not None and known.name else f"机构{first.institution_id}"
        times = f"{len(group)}次" if len(group) > 1 else ""
        supply = sum(
            one.supplies[one.items.index(detail)] for one in group if isinstance(one, Visit) and detail in one.items
        )
        days = f"{'共' if times else ''}{round(supply / DAY, 1):g}天用量" if supply else ""
        return f"{self._calendar.text(first.at)[:16]} {name} {times}{days}".rstrip()

    # -- a person before a visit

    def patient(self, state: PersonState, at: str) -> Patient:
        """What is known of a person at a local time ``yyyy-MM-dd HH:mm:ss``; ValueError for anything else.

        Settlements taken back by then are left out. Nothing is known of a stay in hospital before it is settled.
        """
        calendar = self._calendar
        asked = calendar.instant(datetime.fromisoformat(at))
        near = state.span(asked, asked + SKEW + 1)
        now = state.entries[near[-1]].at if near else asked
        # what is in hand looks back further than what is shown
        since = now - max(LOOK_BACK, self._supply.width)
        held = [
            entry
            for entry in (state.entries[index] for index in state.span(since + 1, now + 1))
            if (state.reversed_at(entry.settlement_id) or now + 1) > now
        ]
        recent = [entry for entry in held if entry.at > now - LOOK_BACK]
        visits = [entry for entry in recent if not entry.flags & NO_VISIT]
        return Patient(
            person_id=state.subject_id,
            visits=[self._seen(entry) for entry in recent[: -MOST - 1 : -1]],
            medication=self._medication(held, now),
            series=self._series_of(visits, now),
            findings=self._standing(state, now),
            counts={
                str(days): len({visit.visit_id for visit in visits if visit.at > now - days * DAY})
                for days in COUNTED_DAYS
            },
        )

    def _seen(self, entry: Visit) -> Seen:
        return Seen(
            at=self._calendar.text(entry.at),
            institution_id=entry.institution_id,
            care="inpatient" if entry.flags & INPATIENT else "pharmacy" if entry.flags & PHARMACY else "outpatient",
            fund=Decimal(entry.fund).scaleb(-2),
            generics=list(entry.items),
        )

    def _medication(self, held: list[Visit], now: int) -> list[Medication]:
        holdings = self._supply.holdings(held, now)
        holdings.sort(key=lambda one: (-one.collections[-1].at, one.generic))
        return [self._drug(one) for one in holdings[:MOST]]

    def _drug(self, one: Holding) -> Medication:
        text = self._calendar.text
        return Medication(
            generic=one.generic,
            name=self._reference.generic_name(one.generic),
            remaining_days=None if one.remaining is None else round(one.remaining / DAY, 1),
            runs_out_on=None if one.runs_out is None else text(one.runs_out)[:10],
            last_collected_at=text(one.collections[-1].at),
            collections=len(one.collections),
            institutions=len({entry.institution_id for entry in one.collections}),
        )

    def _series_of(self, visits: list[Visit], now: int) -> list[Series]:
        reasons = self._series.reasons(visits, self._calendar)
        by_place: dict[str, list[Visit]] = {}
        for visit in visits:
            if visit.event_id in reasons:
                by_place.setdefault(visit.institution_id, []).append(visit)
        made = [
            Series(
                institution_id=institution,
                reason=SERIES,
                since=self._calendar.text(series[0].at),
                until=self._calendar.text(series[-1].at),
                visits=len({visit.visit_id for visit in series}),
            )
            for institution, series in by_place.items()
            if series[-1].at > now - UNDER_WAY
        ]
        made = [one for one in made if one.visits >= SHORTEST_SERIES]
        return sorted(made, key=lambda one: (one.until, one.institution_id), reverse=True)

    def _standing(self, state: PersonState, now: int) -> list[OpenFinding]:
        memos = state.memos or {}
        standing = [
            (memo.raised_at, identity)
            for identity, memo in memos.items()
            if memo.score and memo.key[0] in self._open and now - LOOK_BACK < memo.raised_at <= now
        ]
        found = []
        for raised_at, identity in sorted(standing, reverse=True)[:MOST]:
            memo = memos[identity]
            found.append(
                OpenFinding(
                    rule_id=memo.key[0],
                    title=self._rules[memo.key[0]].setting.title,
                    raised_at=self._calendar.text(raised_at),
                    score=joined_score(memo, memos.values()),
                    muted=memo.muted,
                )
            )
        return found


def _as_settled(fact: Fact, own: Sequence[Visit]) -> Fact:
    """The fact as the place was told it when the bill was settled, last if more than once; unchanged where it was not told."""
    for entry in reversed(own):
        if fact.place_id in (entry.terminal_id, entry.institution_id, entry.agent_id, *entry.trace_codes):
            return msgspec.structs.replace(fact, event_id=entry.event_id, settlement_id=entry.settlement_id)
    return fact


def joined(findings: Sequence[Finding], prices: Mapping[str, Decimal]) -> list[Finding]:
    """Findings that tell the same of other orders (two boxes that were both sold before, to the same person) as one, in their order.

    ``prices`` are the amounts of the orders in yuan. Whatever differs in anything else (another drug, another settlement before it,
    an exception) stays a finding of its own: its words are its proof.
    """
    found: dict[bytes, Finding] = {}
    for finding in findings:
        told = msgspec.json.encode(msgspec.structs.replace(finding, order_ids=[], amount=Decimal(0)))
        same = found.setdefault(told, finding)
        if same is not finding:
            orders = list(dict.fromkeys([*same.order_ids, *finding.order_ids]))
            amount = sum((prices.get(order, Decimal(0)) for order in orders), Decimal(0)) if orders else same.amount
            found[told] = msgspec.structs.replace(same, order_ids=orders, amount=amount)
    return list(found.values())


def _instant(ledger: Ledger[Any], entry: Entry) -> int:
    """When an audit is thought to be asked: then, or after the newest settlement that another clock puts a little later."""
    near = ledger.span(entry.at, entry.at + SKEW + 1)
    if not near:
        return entry.at
    newest: Entry = ledger.entries[near[-1]]
    # of two in one second the event id decides which comes last
    return newest.at + (newest.event_id >= entry.event_id)


def _without_others(features: Features, person_id: str) -> Features:
    """Features as a hospital may read them: other persons than the one it asked about are hidden."""
    if not any(name.endswith(PERSON) for name in features):
        return features
    return {name: HIDDEN if name.endswith(PERSON) and value != person_id else value for name, value in features.items()}
