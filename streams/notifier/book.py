"""What is known of every alert and receiver, and how it changes when something is heard, tried or ordered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from streams.notifier.notice import Notice, Told, read_notice
from streams.notifier.policy import is_news, matches
from streams.notifier.receivers import Receiver
from streams.notifier.records import Attempt, Delivery, Key

OPEN = frozenset({"pending", "summarised"})


class Book:
    """The deliveries of the partitions a notifier holds. Every method that changes some returns them: they must be written down."""

    def __init__(self) -> None:
        self.deliveries: dict[Key, Delivery] = {}

    def restore(self, delivery: Delivery) -> None:
        """Take what was written down before."""
        # a kill may have come between sending and writing it down
        delivery.tried = delivery.tried or delivery.state in OPEN
        self.deliveries[delivery.key] = delivery

    def hear(
        self,
        raw: bytes,
        notice: Notice,
        receivers: Mapping[str, Receiver],
        areas: Mapping[str, str],
        now_ms: int,
        order: int = 0,
    ) -> list[Delivery]:
        """An alert came, the ``order``-th of its partition: what has to be sent because of it, or need not be sent any more."""
        changed = []
        for receiver in receivers.values():
            key = Key(notice.alert_id, receiver.name)
            known = self.deliveries.get(key)
            if known is None:
                if notice.withdrawn or not matches(receiver, notice, areas):
                    continue
                known = self.deliveries[key] = Delivery(
                    alert_id=notice.alert_id, receiver=receiver.name, subject_id=notice.subject_id, revision=0,
                    state="dropped", queued_ms=now_ms, order=order,
                )  # fmt: skip
            elif notice.revision <= known.revision or (not notice.withdrawn and not matches(receiver, notice, areas)):
                continue
            if self._renew(known, raw, notice, receiver, (now_ms, order)):
                changed.append(known)
        return changed

    def _renew(self, known: Delivery, raw: bytes, notice: Notice, receiver: Receiver, queued: tuple[int, int]) -> bool:
        if notice.withdrawn and known.told is None and not known.tried and known.state != "summarised":
            known.state, known.alert, known.revision = "dropped", "", notice.revision
            return True
        if known.state not in OPEN:
            if known.state == "delivered" and not is_news(notice, known.told, receiver.growth):
                return False
            known.state, known.failures = "pending", 0
            known.queued_ms, known.order = queued
        known.revision, known.attempts, known.alert = notice.revision, 0, raw.decode()
        known.light, known.family, known.rule_id = notice.light, notice.family, notice.rule_id
        known.place = notice.institutions[0] if notice.institutions else ""
        return True

    def summarise(self, receiver: str, keys: Sequence[Key], *, storm: bool, now_ms: int) -> list[Delivery]:
        """Make one message of several open deliveries (at least one): the summary first, then its members."""
        members = [self.deliveries[key] for key in keys]
        named = "\n".join(sorted(f"{one.alert_id}:{one.revision}" for one in members))
        digest = hashlib.blake2b(f"{receiver}\n{now_ms}\n{named}".encode(), digest_size=16).hexdigest()
        summary = Delivery(
            alert_id=f"summary-{digest}", receiver=receiver, subject_id=members[0].subject_id, revision=1, state="pending",
            family=members[0].family, rule_id=members[0].rule_id if storm else "", light=_worst(members),
            queued_ms=min(one.queued_ms for one in members), members=[one.alert_id for one in members], storm=storm,
        )  # fmt: skip
        self.deliveries[summary.key] = summary
        for one in members:
            one.state, one.summary = "summarised", summary.alert_id
        return [summary, *members]

    def members(self, summary: Delivery) -> list[Delivery]:
        """The deliveries that still hang on a summary."""
        found = (self.deliveries.get(Key(alert_id, summary.receiver)) for alert_id in summary.members)
        return [
            one for one in found if one is not None and one.summary == summary.alert_id and one.state == "summarised"
        ]

    def notice(self, delivery: Delivery) -> Notice:
        """What is to be told."""
        return read_notice(delivery.alert)

    def attempted(
        self, delivery: Delivery, sent: Mapping[Key, Told], attempt: Attempt, growth: float
    ) -> list[Delivery]:
        """An attempt of a delivery or summary is over; ``sent`` is what its message told of which alert."""
        self._note(delivery, attempt)
        delivery.failures = 0 if attempt.outcome == "delivered" else delivery.failures + 1
        if attempt.outcome == "failed":
            return [delivery]
        if delivery.members:
            delivery.state = attempt.outcome
        reached = [self.deliveries[key] for key in sent if key in self.deliveries]
        for one in reached:
            heard = sent[one.key]
            if delivery.members:
                told_in = msgspec.structs.replace(
                    attempt, number=one.attempts + 1, revision=heard.revision, queued_ms=one.queued_ms, light=heard.light,
                    summary=delivery.alert_id,
                )  # fmt: skip
                self._note(one, told_in)
            if attempt.outcome == "delivered":
                self._heard(one, heard, growth, attempt.at_ms)
            else:
                one.state = "given_up"
        return [delivery, *reached] if delivery.members else reached

    def _note(self, one: Delivery, attempt: Attempt) -> None:
        one.last, one.tried = attempt, True
        if one.revision == attempt.revision:
            one.attempts = attempt.number

    def _heard(self, one: Delivery, heard: Told, growth: float, now_ms: int) -> None:
        one.told, one.failures = heard, 0
        if one.revision > heard.revision and is_news(self.notice(one), heard, growth):
            one.state, one.queued_ms = "pending", now_ms
        else:
            one.state, one.alert, one.revision = "delivered", "", max(one.revision, heard.revision)

    def give_up(self, delivery: Delivery, now_ms: int) -> list[Delivery]:
        """Stop trying: it is over age."""
        changed = [*self.members(delivery), delivery]
        for one in changed:
            before = one.last if one.last and one.last.revision == one.revision else None
            one.state = "given_up"
            one.last = Attempt(
                number=one.attempts, revision=one.revision, outcome="given_up", at_ms=now_ms, took_ms=0.0,
                status=before.status if before else 0, error=before.error if before else "over age",
                queued_ms=one.queued_ms, light=one.light, summary=one.summary,
            )  # fmt: skip
        return changed

    def resend(self, receiver: str, now_ms: int, here: Callable[[Delivery], bool] = lambda _: True) -> list[Delivery]:
        """Queue again what was given up ``here`` for a receiver (empty: all); summaries are made anew of their members."""
        changed = []
        for one in self.deliveries.values():
            if one.state == "given_up" and one.alert and receiver in ("", one.receiver) and here(one):
                one.state, one.queued_ms, one.failures = "pending", now_ms, 0
                changed.append(one)
        return changed

    def open_for(self, receiver: str) -> list[Delivery]:
        """What a receiver is still to be sent, summaries among it, oldest first."""
        found = [one for one in self.deliveries.values() if one.receiver == receiver and one.state == "pending"]
        return sorted(found, key=lambda one: (one.queued_ms, one.order, one.alert_id))

    def covered(self) -> None:
        """After restoring: members whose summary was written before a kill, and they not, belong to it; orphans stand alone again."""
        for summary in [one for one in self.deliveries.values() if one.members and one.state == "pending"]:
            for alert_id in summary.members:
                member = self.deliveries.get(Key(alert_id, summary.receiver))
                if member is not None and member.state == "pending" and member.queued_ms >= summary.queued_ms:
                    member.state, member.summary = "summarised", summary.alert_id
        for one in self.deliveries.values():
            if one.state == "summarised":
                summary_of = self.deliveries.get(Key(one.summary, one.receiver))
                if summary_of is None or summary_of.state != "pending":
                    one.state = "pending"


def _worst(members: Iterable[Delivery]) -> str:
    lights = {one.light for one in members}
    return next((light for light in ("red", "yellow", "green") if light in lights), "green")
