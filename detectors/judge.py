"""The judge: settlements and facts in, alerts out; the same for the live worker and for the backtest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, get_args

import msgspec

from detectors.episodes import review
from detectors.errors import RuleFileError
from detectors.filed import FiledException, filed_for
from detectors.models.cohort import Cohort
from detectors.models.verdicts import Verdicts
from detectors.parameters import RuleBook, RuleSetting
from detectors.person import FAMILIAR_SPAN, Reader, Visit
from detectors.place import read_sale
from detectors.reference import Reference
from detectors.rule import AnyRule, rule_class
from detectors.scope import CARE, Scope, Tally
from detectors.state import PersonState, PlaceState, load_person, load_place
from detectors.windows import Ledger
from schemas.alert import Alert
from schemas.fact import Fact, PlaceKind
from schemas.instants import HOUR, Calendar
from schemas.settlement import Settlement, code

MARGIN: Final = HOUR
"""Kept beyond what exactness needs: no result hangs on a boundary."""


class Judge:
    """Judges events against one rule book. It holds no state of subjects; callers keep those and hand them in.

    ``tally`` counts what came late. Raises :class:`RuleFileError` when the rule book names a detector that does not exist.
    """

    def __init__(
        self,
        book: RuleBook,
        reference: Reference,
        calendar: Calendar,
        exceptions: Iterable[FiledException] = (),
        verdicts: Verdicts | None = None,
    ) -> None:
        self.book = book
        self.reference = reference
        self.calendar = calendar
        self.tally = Tally()
        self._verdicts = verdicts
        rules = [build_rule(setting, reference, calendar) for setting in book.rules if setting.enabled]
        filed = tuple(exceptions)
        for rule in rules:
            rule.filed = filed_for(rule, filed)
        self.rules: dict[str, AnyRule] = {rule.detector: rule for rule in rules}
        kinds: tuple[PlaceKind, ...] = get_args(PlaceKind)
        self.kinds = frozenset(kind for kind in kinds if any(rule.subject == kind for rule in rules))
        self.lone_kinds = frozenset(
            kind
            for kind in self.kinds
            if all(rule.fewest > 1 and not rule.usual_slot for rule in rules if rule.subject == kind)
        )
        """Kinds of place of which a single settlement can matter to no rule, nor be counted."""
        reach = max((rule.width for rule in rules if rule.subject != "person"), default=0)
        # a reversal must still find the terminal, collector and trace codes of its original while it can change a place's alert
        # and the last visits must tell who is a stranger somewhere
        self._person_scope = self._scope("person", max(reach, FAMILIAR_SPAN))
        self._place_scopes = {kind: self._scope(kind, 0) for kind in kinds}
        self._reader = Reader(reference, self.kinds, calendar, tally=self.tally, code_room=book.code_room)

    def _scope(self, subject: str, at_least: int) -> Scope:
        rules = tuple(rule for rule in self.rules.values() if rule.subject == subject)
        lateness = self.book.lateness
        late = lateness + MARGIN
        return Scope(
            rules,
            lateness,
            max([at_least] + [rule.needs if rule.near is None else rule.near for rule in rules]) + late,
            self.book.person_cap if subject == "person" else self.book.place_cap,
            self.tally,
            self.calendar.day,
            {rule.detector: rule.needs + late for rule in rules if rule.near is not None},
        )

    def cohort(self, find: Callable[[str], PersonState], rows: Mapping[str, bytes] | None = None) -> Cohort | None:
        """What the persons of one partition teach: from all rows that ``rows`` gave, or new; None where no rule asks for peers.

        ``find`` gives the state of a person of that partition. Raises StateVersionError for another version's rows.
        """
        if not any(rule.asks_peers for rule in self._person_scope.rules):
            return None
        scope = self._person_scope
        reach = max(rule.width for rule in scope.rules if rule.detector not in scope.needs)
        cohort = Cohort(self.calendar, scope.lateness, find, self._finds, reach)
        if rows:
            cohort.restore(rows)
        return cohort

    def _finds(self, ledger: Ledger[Visit], index: int) -> bool:
        """Whether a rule finds the point by limits of its own, no exception explaining it.

        What is found by holding it against peers is learned: without its tail a limit would creep down week by week.
        """
        peers, ledger.peers = ledger.peers, None
        try:
            for _, _, rule, glance in self._person_scope.glances[ledger.entries[index].flags & CARE]:
                for detail in glance(ledger, index):
                    match = rule.judge(ledger.window(index, rule.width), detail, ledger)
                    if match is not None and match.light != "green":
                        return True
            return False
        finally:
            ledger.peers = peers

    def person(self, person_id: str, data: bytes | None, cohort: Cohort | None = None) -> PersonState:
        """A person's state: from what ``dump`` gave, or new. Raises StateVersionError for another version's bytes.

        With the ``cohort`` of the partition, its settlements are noted there and rules may ask for its peers.
        """
        state = load_person(self._person_scope, person_id, data)
        state.peers = cohort
        return state

    def place(self, kind: PlaceKind, place_id: str, data: bytes | None) -> PlaceState:
        """A place's state, likewise."""
        return load_place(self._place_scopes[kind], kind, place_id, data)

    def settle(self, state: PersonState, settlement: Settlement) -> list[Fact]:
        """Enter a settlement or reversal into its person's state; the facts its places must be told.

        ``state.changed`` says whether anything was new. The same settlement again gives the same facts again.
        """
        at = self.calendar.instant(settlement.settled_at)
        visit = self._reader.visit(settlement, at)
        if settlement.kind == "REVERSE":
            original = self._reader.known(settlement.original_id)
            if not original:
                state.changed = False
                return []
            state.take_back(original, at)
            named = (*state.find(original), visit)
            return self._reader.reversal_facts(settlement.person_id, visit.event_id, original, at, named)
        if settlement.refunded is not None and code(settlement.refunded) == "1":
            # a refund row sets money right; it is no visit and hands out nothing
            state.changed = False
            return []
        if state.insert(visit) and state.peers is not None:
            state.peers.note(visit, state.subject_id)
        facts = self._reader.facts(settlement, visit, state)
        if state.reversals:
            taken_back = state.reversals.get(visit.settlement_id)
            if taken_back is not None:
                facts += self._reader.reversal_facts(
                    settlement.person_id, visit.event_id, visit.settlement_id, taken_back, (visit,)
                )
        return facts

    def reader(self) -> Reader:
        """A reader of what is not settled (yet): as :meth:`settle` reads, but what it cuts is counted nowhere."""
        return Reader(self.reference, self.kinds, self.calendar, code_room=self.book.code_room)

    def witness(self, place: PlaceState, fact: Fact) -> None:
        """Enter a fact into its place's state; ``place.changed`` says whether it was new."""
        if fact.reverses:
            place.take_back(fact.reverses, fact.at)
        else:
            place.insert(read_sale(fact))

    def review(self, state: PersonState | PlaceState) -> list[Alert]:
        """The alerts to publish now (new revisions, withdrawals), and the state cleared of what no longer matters.

        Call it once per touched subject and batch: how events are batched changes revision numbers, never the last revision.
        """
        alerts = review(state, self.rules, self.calendar)
        verdicts = self._verdicts
        if verdicts is None:
            return alerts
        return [
            alert if alert.withdrawn else msgspec.structs.replace(alert, score=verdicts.rank(alert)) for alert in alerts
        ]


def build_rule(setting: RuleSetting, reference: Reference, calendar: Calendar) -> AnyRule:
    """The rule of a setting. Raises :class:`RuleFileError` where there is none of its name, or a parameter is missing."""
    try:
        return rule_class(setting.detector)(setting, reference, calendar)
    except KeyError as error:
        raise RuleFileError(f"rules.{setting.detector}: expected the parameter {error.args[0]}, got none") from None
