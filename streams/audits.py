"""Answers audits from the states this worker holds: hospitals' questions in, what the rules would find out, nothing changed by it.

A question lies in the partition of its person, so the worker that judges the person's settlements answers it, from the very objects it
judges with: a purchase counts as soon as it was judged, not when it was saved. Places are told apart by other partitions; those that live
here are asked at once, for the others the question goes on, and the answer names the parts that will come.

Nothing is committed and nobody waits for what is late: a worker that takes over a partition reads the questions of the last seconds
again, so the same answer may come from two workers, and the gateway takes the first.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from detectors.audit import Auditor
from detectors.state import PersonState, PlaceState
from schemas.audit import PERSON_PART, SCHEMA_VERSION, Answer, Finding, Question, decode_question, encode, places_part
from schemas.deadletter import buried
from schemas.fact import Fact
from schemas.partitions import key_partition
from schemas.topics import AUDIT_REPLIES, AUDIT_REQUESTS, FACTS, SETTLEMENTS, Topics
from streams.letters import Letters
from streams.meters import Meters
from streams.people import People
from streams.places import Places, fact_partition
from streams.state import States

_BACK_MS: Final = 5_000
"""How far back a partition that comes here is read: longer than anybody waits for an answer."""
_FETCH_WAIT_MS: Final = 25
"""A fetch under way keeps what came to another partition waiting for so long at most."""
_RETRY_MS: Final = 25
"""How often questions are looked at again that wait for their partition to catch up."""
_BURST_SECONDS: Final = 0.005
"""So long the loop is kept; then the judging of settlements, which is cut to the same measure, has its turn."""
_NEAR: Final = 16
_NEAR_SECONDS: Final = 1.0
"""So few records before the end for so long are as good as the end: the markers of transactions count as records and are never read."""
_KEPT: Final = 4_096
"""Answers kept for who asks again: some twenty seconds of the greatest load, and hospitals repeat within a few."""
_REQUEST_BYTES: Final = 2 * 1024 * 1024
_REQUEST_MS: Final = 10_000
_OFFSETS_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 3.0

_SideName = Literal["people", "places"]
Ends = Callable[[Iterable[TP]], Awaitable[Mapping[TP, int]]]
"""Where the logs of these partitions end, as the broker knows it now."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Held:
    """The partitions of ``settlements`` (people) and of ``facts`` (places) that are here."""

    people: frozenset[int] = frozenset()
    places: frozenset[int] = frozenset()

    def sides(self, partition: int) -> set[_SideName]:
        """What this worker answers for in a partition of ``audit.requests``."""
        return {name for name in ("people", "places") if partition in getattr(self, name)}

    @property
    def all(self) -> list[int]:
        return sorted(self.people | self.places)


@dataclass
class _Judged:
    """What a question came to: findings from here, and facts for places elsewhere by their partition."""

    findings: list[Finding]
    elsewhere: dict[int, list[Fact]]


class Audits:
    """Answers what its partitions of ``audit.requests`` ask; ``ask_ends`` says where logs end, ``letters`` takes what is no question."""

    def __init__(
        self, servers: str, topics: Topics, auditor: Auditor, person_states: States[PersonState], place_states: States[PlaceState],
        people: People, places: Places, ask_ends: Ends, letters: Letters, meters: Meters,
    ) -> None:  # fmt: skip
        self._servers = servers.split(",")
        self._topics = topics
        self._requests, self._replies = topics.name(AUDIT_REQUESTS), topics.name(AUDIT_REPLIES)
        self._auditor = auditor
        self._person_states = person_states
        self._place_states = place_states
        self._people = people
        self._places = places
        self._ask_ends = ask_ends
        self._letters = letters
        self._meters = meters
        self._held: _Held | None = None
        """None while partitions move or tables are restored: the states are nobody's then."""
        self._life = 0
        self._changed = asyncio.Event()
        self._reading = _Held()
        """What was held when the consumer was last assigned."""
        self._next: dict[int, int] = {}
        self._open: dict[int, deque[tuple[Question, Any]]] = {}
        self._behind: dict[tuple[_SideName, int], int] = {}
        """The end of the log as it was when reading began again, until it is reached."""
        self._near: dict[tuple[_SideName, int], float] = {}
        """Since when it has been so near."""
        self._kept: OrderedDict[bytes, _Judged] = OrderedDict()
        self._since = 0.0

    def pause(self) -> None:
        """Answer nothing: partitions are about to move."""
        self._held = None
        self._life += 1
        self._changed.set()

    def resumed(self, committed: Mapping[TP, int | None]) -> None:
        """Reading starts again at these offsets: these are the partitions held now, and their states are as they were saved."""
        self._held = _Held(
            frozenset(tp.partition for tp in committed if tp.topic == self._topics.name(SETTLEMENTS)),
            frozenset(tp.partition for tp in committed if tp.topic == self._topics.name(FACTS)),
        )
        self._life += 1
        self._changed.set()

    async def run(self) -> None:
        """Answer; never ends. What goes wrong with Kafka or with a question is told and tried again: settlements are worth more."""
        while True:
            try:
                await self._serve()
            except (KafkaError, TimeoutError) as error:
                log.warning("audits.interrupted", error=repr(error), retry_in_seconds=_PAUSE_SECONDS)
                await asyncio.sleep(_PAUSE_SECONDS)

    # -- reading

    async def _serve(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers, group_id=None, enable_auto_commit=False, auto_offset_reset="latest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
        )  # fmt: skip
        producer = AIOKafkaProducer(
            bootstrap_servers=self._servers, acks=1, linger_ms=0, max_request_size=_REQUEST_BYTES, request_timeout_ms=_REQUEST_MS,
        )  # fmt: skip
        moved = -1
        try:
            await asyncio.gather(consumer.start(), producer.start())
            while True:
                life = self._life
                if self._held is None or (life == moved and not self._reading.all):
                    self._changed.clear()
                    await self._changed.wait()
                elif life != moved:
                    if await self._move(consumer, self._held, life):
                        moved = life
                else:
                    records = await consumer.getmany(timeout_ms=_RETRY_MS)
                    for tp, some in records.items():
                        self._read(tp.partition, some)
                    await self._answer_open(producer, life)
        finally:
            for part in (consumer, producer):
                with suppress(Exception):  # it is going anyway, and the other one must go too
                    await asyncio.wait_for(part.stop(), _STOP_SECONDS)

    async def _move(self, consumer: Any, held: _Held, life: int) -> bool:
        """Read the partitions held now, from where they were left or from a few seconds ago; False if they moved again meanwhile."""
        settlements, facts = self._topics.name(SETTLEMENTS), self._topics.name(FACTS)
        logs = [TP(settlements, p) for p in held.people] + [TP(facts, p) for p in held.places]
        ends = await asyncio.wait_for(self._ask_ends(logs), _OFFSETS_SECONDS) if logs else {}
        if life != self._life:
            return False
        self._behind = {
            ("people" if tp.topic == settlements else "places", tp.partition): end for tp, end in ends.items()
        }
        kept = [p for p in self._next if held.sides(p) and held.sides(p) <= self._reading.sides(p)]
        self._next = {p: self._next[p] for p in kept}
        self._open = {p: self._open.get(p, deque()) for p in held.all if p in self._next}
        self._reading = _Held()
        if not held.all:
            consumer.unsubscribe()
        else:
            consumer.assign([TopicPartition(self._requests, p) for p in held.all])
            new = [TopicPartition(self._requests, p) for p in held.all if p not in self._next]
            self._next |= await asyncio.wait_for(self._starts(consumer, new), _OFFSETS_SECONDS)
            for partition, offset in self._next.items():
                consumer.seek(TopicPartition(self._requests, partition), offset)
        self._reading = held
        return True

    async def _starts(self, consumer: Any, new: list[TopicPartition]) -> dict[int, int]:
        if not new:
            return {}
        # the ends first: what comes between the two answers lies behind them
        ends = await consumer.end_offsets(new)
        since = int(time.time() * 1000) - _BACK_MS
        found = await consumer.offsets_for_times(dict.fromkeys(new, since))
        return {tp.partition: ends[tp] if found.get(tp) is None else found[tp].offset for tp in new}

    def _read(self, partition: int, records: Iterable[Any]) -> None:
        sides = self._reading.sides(partition)
        for record in records:
            self._next[partition] = record.offset + 1
            try:
                question = self._decoded(record)
            except ValueError as error:
                # both workers of a partition read it; one of them tells
                if "people" in sides:
                    self._letters.put(buried(record, str(error)))
                continue
            if _side(question) in sides:
                self._open.setdefault(partition, deque()).append((question, record))

    def _decoded(self, record: Any) -> Question:
        """The question of a record. Raises ValueError for what is none."""
        try:
            question = decode_question(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"expected a question as the gateway writes it, got something else ({error})") from None
        partitions = self._topics.partitions
        if question.schema != SCHEMA_VERSION:
            raise ValueError(f"expected a question of schema version {SCHEMA_VERSION}, got {question.schema}")
        if not 0 <= question.reply_to < partitions:
            raise ValueError(
                f"expected reply_to below {partitions}, the partitions of {self._replies}, got {question.reply_to}"
            )
        if question.kind == "bill" and (question.bill is None or question.bill.person_id != question.person_id):
            raise ValueError("expected the bill of the person asked about, got none or another's")
        places = {fact_partition(fact.kind, fact.place_id, partitions) for fact in question.facts}
        target = {key_partition(question.person_id.encode(), partitions)} if _side(question) == "people" else places
        if target != {record.partition}:
            raise ValueError(
                f"expected it in partition {sorted(target)}, where its subjects are, got it in {record.partition}"
            )
        return question

    # -- answering

    async def _answer_open(self, producer: Any, life: int) -> None:
        self._since = time.monotonic()
        for partition, questions in self._open.items():
            for _ in range(len(questions)):
                if life != self._life:
                    return
                question, record = questions.popleft()
                if question.deadline_ms <= time.time() * 1000:
                    self._meters.audits_expired += 1
                elif not self._is_right(_side(question), partition):
                    questions.append((question, record))
                else:
                    await self._answer(producer, question, record)

    def _is_right(self, side: _SideName, partition: int) -> bool:
        """Whether the states of a partition are here and have seen what was in its log when reading began."""
        if self._held is None or partition not in getattr(self._held, side):
            return False
        end = self._behind.get((side, partition))
        if end is None:
            return True
        if side == "people":
            left = end - 1 - self._people.reached(partition)
        else:
            left = max(end - 1 - self._places.reached(partition), self._places.held_in(partition))
        if left > _NEAR:
            self._near.pop((side, partition), None)
            return False
        if left > 0 and time.monotonic() - self._near.setdefault((side, partition), time.monotonic()) < _NEAR_SECONDS:
            return False
        del self._behind[side, partition]
        return True

    async def _answer(self, producer: Any, question: Question, record: Any) -> None:
        started = time.perf_counter()
        try:
            judged = self._judged(question, record.partition)
        except Exception as error:  # whatever it is: read again after a restart it would end the next worker as well
            self._meters.audits_failed += 1
            # frames by name only: their variables hold persons
            frames = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
            log.exception("audits.failed", exc_info=False, error=type(error).__name__, frames=frames)
            reason = f"expected to answer it, failed with {type(error).__name__}; see the worker's log, audits.failed"
            self._letters.put(buried(record, reason))
            return
        for partition, value in self._forwards(question, judged):
            await self._send(producer, self._requests, partition, value)
        part = PERSON_PART if _side(question) == "people" else places_part(record.partition)
        answer = Answer(
            asks=question.asks, msgid=question.msgid, part=part, awaits=[places_part(p) for p in sorted(judged.elsewhere)],
            findings=judged.findings,
        )  # fmt: skip
        if question.kind == "patient":
            answer.patient = self._auditor.patient(
                self._person_states.look(question.person_id, record.partition), question.at
            )
        await self._send(producer, self._replies, question.reply_to, encode(answer))
        self._meters.audits += 1
        self._meters.audits_forwarded += len(judged.elsewhere)
        self._meters.audit_seconds += time.perf_counter() - started
        if time.monotonic() - self._since > _BURST_SECONDS:
            await asyncio.sleep(0)
            self._since = time.monotonic()

    async def _send(self, producer: Any, topic: str, partition: int, value: bytes) -> None:
        try:
            sent = await producer.send(topic, value, partition=partition)
        except KafkaError as error:
            _log_unsent(error)
        else:
            sent.add_done_callback(_look_after)

    def _judged(self, question: Question, partition: int) -> _Judged:
        """What a question comes to; asked again word for word (a hospital repeats through another gateway), the same as before."""
        if question.kind == "patient":
            return _Judged([], {})
        same = msgspec.structs.replace(question, asks="", reply_to=0, deadline_ms=0)
        key = blake2b(encode(same), digest_size=16).digest()
        judged = self._kept.get(key)
        if judged is not None:
            self._kept.move_to_end(key)
            return judged
        judged = self._kept[key] = self._judged_anew(question, partition)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return judged

    def _judged_anew(self, question: Question, partition: int) -> _Judged:
        rule_ids, judged, facts = question.rule_ids, _Judged([], {}), question.facts
        if question.kind == "bill" and question.bill is not None:
            state = self._person_states.look(question.person_id, partition)
            found, facts = self._auditor.bill(state, question.bill, rule_ids)
            judged.findings += found
        for fact in facts:
            at = fact_partition(fact.kind, fact.place_id, self._topics.partitions)
            if self._is_right("places", at):
                place = self._place_states.look(f"{fact.kind}:{fact.place_id}", at)
                judged.findings += self._auditor.place(place, fact, rule_ids, question.bill)
            else:
                judged.elsewhere.setdefault(at, []).append(fact)
        for finding in judged.findings:
            finding.person_id = question.person_id
        return judged

    def _forwards(self, question: Question, judged: _Judged) -> Iterator[tuple[int, bytes]]:
        for partition, facts in judged.elsewhere.items():
            yield partition, encode(msgspec.structs.replace(question, kind="places", facts=facts))


def _side(question: Question) -> _SideName:
    return "places" if question.kind == "places" else "people"


def _look_after(sent: asyncio.Future[Any]) -> None:
    if not sent.cancelled() and (error := sent.exception()) is not None:
        _log_unsent(error)


def _log_unsent(error: BaseException) -> None:
    log.warning("audits.not_sent", error=repr(error), advice="the gateway says undecided; hospitals may ask again")
