"""Carries out the three national transactions: asks, answers, keeps, and gives a message that comes again the answer it had."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import orjson

from detectors.reference import Reference
from schemas.audit import Answer, Feedback, Patient, Question, Record
from streams.access import Client
from streams.gateway.asking import Asker
from streams.gateway.calls import MSGID_REUSED, SUCCESS, UNKNOWN_FINDING, AuditCall, BadMessage, FeedbackCall
from streams.gateway.envelope import answer, done, failure, judged, parse_audit, parse_feedback, reference
from streams.gateway.guard import Refused
from streams.gateway.kept import Kept, Shown
from streams.gateway.records import LogWriter
from streams.gateway.reminder import plain, view
from streams.gateway.settings import GatewaySettings
from streams.gateway.watch import Watch

Face = Literal["json", "xml", "soap"]
_INPATIENT_SCENES: Final = frozenset({"3", "4", "5", "8", "9"})
_INPATIENT_CARE: Final = ("2", "52")
_SAFE_SECONDS: Final = 0.1
_SAFE_SHARE: Final = 0.1
"""Of the deadline, kept for the audit log: what was answered is to be found there, whatever happens to this process afterwards."""
_LONGEST_MSGID: Final = 30
_ANOTHER_LOOK_SECONDS: Final = 0.3
"""A finding shown by another gateway a moment ago may still be on its way to us."""


@dataclass(frozen=True)
class Arrival:
    """A request as it came in: who, how, what, and when (local and aware; ``started`` on the performance clock)."""

    client: Client
    infno: str
    face: Face
    body: Any
    received: datetime
    started: float

    @property
    def msgid(self) -> str:
        """The message's id as far as it can be told before the message is read."""
        told = self.body.get("msgid") if isinstance(self.body, dict) else None
        return told[:_LONGEST_MSGID] if isinstance(told, str) else ""


@dataclass(frozen=True)
class Outcome:
    """What goes back: the envelope as JSON bytes, and how it went for the access log."""

    answer: bytes
    status: int = 200
    infcode: int = SUCCESS
    undecided: bool = False
    repeated: bool = False


@dataclass(frozen=True)
class _Open:
    digest: str
    work: asyncio.Task[Outcome]


class Transactions:
    """The work behind ``/api/31xx`` and ``/ws/audit``.

    ``find`` looks for a finding in the store, in a thread of its own (None: no store); it may raise anything.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        asker: Asker,
        kept: Kept,
        writer: LogWriter,
        watch: Watch,
        listed: Reference,
        find: Callable[[str], Shown | None] | None = None,
    ) -> None:
        self._settings, self._asker, self._kept, self._writer, self._watch = settings, asker, kept, writer, watch
        self._reference, self._find = listed, find
        self._zone = ZoneInfo(settings.timezone)
        self._open: dict[tuple[str, str], _Open] = {}
        self._sequence = 0

    def now(self) -> datetime:
        """The local time."""
        return datetime.now(self._zone)

    def refuse(self, infcode: int, field: str, reason: str, received: datetime, area: str = "") -> bytes:
        """A failure envelope as JSON."""
        told = failure(infcode, field, reason, received=received, refmsgid=self._refmsgid(area, received))
        return orjson.dumps(told)

    async def run(self, arrival: Arrival) -> Outcome:
        """Carry out one message; raises BadMessage, or Refused (403) for another institution's."""
        call: AuditCall | FeedbackCall
        try:
            feedback = arrival.infno == "3103"
            call = parse_feedback(arrival.body) if feedback else parse_audit(arrival.infno, arrival.body)
            if call.institution_id != arrival.client.institution_id:
                raise Refused(
                    403, "institution", "fixmedins_code",
                    "expected the institution this token belongs to, got another one",
                )  # fmt: skip
            digest = _digest(arrival)
            given = self._kept.find(call.institution_id, call.msgid)
            key = (call.institution_id, call.msgid)
            known = given or self._open.get(key)
            if known is not None and known.digest != digest:
                raise BadMessage(
                    "msgid", "expected a msgid of its own, it came before with another content", MSGID_REUSED
                )
        except BadMessage as bad:
            self._keep_refusal(arrival, bad)
            raise
        if given is not None:
            return self._again(arrival, Outcome(given.answer))
        opened = self._open.get(key)
        if opened is not None:
            return self._again(arrival, await asyncio.shield(opened.work))
        # a task of its own, so that a client that hangs up takes the answer from nobody who joined it
        work = asyncio.create_task(self._carry_out(arrival, call, digest))
        self._open[key] = _Open(digest, work)
        work.add_done_callback(lambda _: self._open.pop(key, None))
        return await asyncio.shield(work)

    async def patient(self, person_id: str) -> Patient | None:
        """What is known of a person now; None: undecided."""
        now = f"{self.now():%Y-%m-%d %H:%M:%S}"
        question = self._question(
            "patient", uuid.uuid4().hex, person_id, now, self._settings.gateway_outpatient_seconds
        )
        answers = await self._asker.ask(question)
        return next((one.patient for one in answers or () if one.patient is not None), None)

    async def _carry_out(self, arrival: Arrival, call: AuditCall | FeedbackCall, digest: str) -> Outcome:
        if isinstance(call, FeedbackCall):
            return await self._feedback(arrival, call, digest)
        return await self._audit(arrival, call, digest)

    async def _audit(self, arrival: Arrival, call: AuditCall, digest: str) -> Outcome:
        inpatient = call.scene in _INPATIENT_SCENES or any(
            one.bill is not None and str(one.bill.care_type).startswith(_INPATIENT_CARE) for one in call.persons
        )
        settings = self._settings
        seconds = settings.gateway_inpatient_seconds if inpatient else settings.gateway_outpatient_seconds
        margin = min(_SAFE_SECONDS, seconds * _SAFE_SHARE)
        left = arrival.started + seconds - margin - time.perf_counter()
        questions = [
            self._question(
                "patient" if one.bill is None else "bill", call.msgid, one.person_id, call.at, left,
                bill=one.bill, rule_ids=list(call.rule_ids),
            )
            for one in call.persons
        ]  # fmt: skip
        if len(questions) == 1:
            answers = [await self._asker.ask(questions[0])]
        else:
            answers = await asyncio.gather(*(self._asker.ask(question) for question in questions))
        by_person: dict[str, list[Answer]] = {}
        for person, parts in zip(call.persons, answers, strict=True):
            if parts is not None:
                by_person[person.person_id] = parts
        undecided = len(by_person) < len(call.persons)
        findings = {
            person_id: [finding for part in parts for finding in part.findings]
            for person_id, parts in by_person.items()
        }
        told = answer(
            call, None if undecided else findings,
            received=arrival.received, refmsgid=self._refmsgid(call.area, arrival.received),
            reminders=self._reminders(by_person, arrival.client),
        )  # fmt: skip
        text = orjson.dumps(told)
        found = [] if undecided else [(jr_id, finding) for _, jr_id, finding in judged(call, findings)]
        took = time.perf_counter() - arrival.started
        record = Record(
            audit_id=uuid.uuid4().hex, msgid=call.msgid, infno=call.infno, client=arrival.client.name, face=arrival.face,
            institution_id=call.institution_id, department_id=call.department_id, doctor_id=call.doctor_id, scene=call.scene,
            person_ids=[one.person_id for one in call.persons], asked_at=_milliseconds(arrival.received), took_ms=_ms(took),
            infcode=SUCCESS, undecided=undecided, findings=found, request=call.request_text, answer=text.decode(), digest=digest,
        )  # fmt: skip
        self._kept.put(record)
        safe = self._writer.put(record)
        if self._writer.stands:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, arrival.started + seconds - time.perf_counter())):
                    await safe
        self._watch.answered(
            call.infno,
            time.perf_counter() - arrival.started,
            undecided=undecided,
            rules=[(finding.rule_id, finding.light) for _, finding in found],
        )
        return Outcome(text, undecided=undecided)

    def _reminders(self, answers: Mapping[str, list[Answer]], client: Client) -> dict[str, dict[str, object]]:
        return {
            person_id: plain(view(part.patient, client, self._reference))
            for person_id, parts in answers.items()
            for part in parts
            if part.patient is not None
        }

    async def _feedback(self, arrival: Arrival, call: FeedbackCall, digest: str) -> Outcome:
        shown = []
        for number, (finding_id, _, _) in enumerate(call.warns):
            one = await self._shown(finding_id)
            # one of another institution is as unknown as one that never was: nothing is told about it
            if one is None or one.institution_id != call.institution_id:
                bad = BadMessage(
                    f"input.data.warns[{number}].warn_rslt_id",
                    "expected the jr_id of a finding we gave to this institution, got an unknown one",
                    UNKNOWN_FINDING,
                )
                self._keep_refusal(arrival, bad)
                raise bad
            shown.append(one)
        text = orjson.dumps(done(received=arrival.received, refmsgid=self._refmsgid(call.area, arrival.received)))
        feedback = [
            Feedback(
                finding_id=finding_id, person_id=one.person_id, rule_id=one.rule_id, institution_id=call.institution_id,
                doctor_id=one.doctor_id, continued=way == "1", reason=reason, at=call.at,
            )
            for one, (finding_id, way, reason) in zip(shown, call.warns, strict=True)
        ]  # fmt: skip
        record = Record(
            audit_id=uuid.uuid4().hex, msgid=call.msgid, infno="3103", client=arrival.client.name, face=arrival.face,
            institution_id=call.institution_id, department_id=shown[0].department_id, doctor_id=shown[0].doctor_id,
            person_ids=sorted({one.person_id for one in shown}), asked_at=_milliseconds(arrival.received),
            took_ms=_ms(time.perf_counter() - arrival.started), infcode=SUCCESS, feedback=list(call.warns),
            request=call.request_text, answer=text.decode(), digest=digest,
        )  # fmt: skip
        try:
            async with asyncio.timeout(self._settings.gateway_outpatient_seconds):
                await self._writer.put(record, feedback)
        except TimeoutError:
            # it stays in the buffer all the same; sent again it is at worst told twice, under one finding
            raise Refused(
                503, "not_stored", "", "the feedback could not be stored yet; send it again with the same msgid", 1
            ) from None
        self._kept.put(record)
        self._watch.took("3103", time.perf_counter() - arrival.started)
        return Outcome(text)

    async def _shown(self, finding_id: str) -> Shown | None:
        found = self._kept.shown(finding_id)
        if found is None and self._find is not None:
            found = await asyncio.to_thread(self._find, finding_id)
        if found is None:
            await asyncio.sleep(_ANOTHER_LOOK_SECONDS)
            found = self._kept.shown(finding_id)
        return found

    def _again(self, arrival: Arrival, outcome: Outcome) -> Outcome:
        self._watch.repeated()
        self._watch.took(arrival.infno, time.perf_counter() - arrival.started)
        return Outcome(outcome.answer, undecided=outcome.undecided, repeated=True)

    def _keep_refusal(self, arrival: Arrival, bad: BadMessage) -> None:
        # of what broke the interface only the head is kept: names could stand anywhere in the rest
        told = failure(
            bad.infcode, bad.field, bad.reason,
            received=arrival.received, refmsgid=self._refmsgid("", arrival.received),
        )  # fmt: skip
        self._writer.put(
            Record(
                audit_id=uuid.uuid4().hex,
                msgid=arrival.msgid,
                infno=arrival.infno,
                client=arrival.client.name,
                face=arrival.face,
                institution_id=arrival.client.institution_id,
                asked_at=_milliseconds(arrival.received),
                took_ms=_ms(time.perf_counter() - arrival.started),
                infcode=bad.infcode,
                request="{}",
                answer=orjson.dumps(told).decode(),
                digest="",
            )
        )

    def _question(
        self, kind: Literal["bill", "patient"], msgid: str, person_id: str, at: str, seconds: float, **rest: Any
    ) -> Question:
        return Question(
            kind=kind, asks=uuid.uuid4().hex, msgid=msgid, reply_to=self._asker.reply_to,
            deadline_ms=int((time.time() + seconds) * 1000), person_id=person_id, at=at, **rest,
        )  # fmt: skip

    def _refmsgid(self, area: str, at: datetime) -> str:
        # our partition first: instances that count alike do not meet
        self._sequence = (self._sequence + 1) % 10**6
        return reference(area, at, self._asker.reply_to * 10**6 + self._sequence)


def _digest(arrival: Arrival) -> str:
    body = orjson.dumps(arrival.body, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(arrival.infno.encode() + body).hexdigest()


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
