"""Audits on a real worker: answered from what was judged a moment ago, in parts where places live elsewhere, and without any trace."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, Producer, TopicPartition

from clickhouse.errors import StoreUnavailable
from clickhouse.sink import Sink
from detectors.backtest import run as backtest
from schemas.alert import alerts_sha256
from schemas.audit import Answer, Question, Record, decode_answer, encode
from schemas.partitions import key_partition
from schemas.settlement import Settlement, decode_settlement
from schemas.topics import AUDIT_LOG, AUDIT_REPLIES, AUDIT_REQUESTS, DEADLETTERS, Topics
from streams.app import ensure_topics, load_judge
from streams.audit_log import AuditLog, AuditSink
from streams.letters import Letters
from streams.meters import Meters
from streams.sending import Sender
from streams.settings import StreamSettings
from streams.simulator import simulate
from streams.storing import Storing
from tests.streams.installation import PARTITIONS, Installation

pytestmark = pytest.mark.embedded
REPLY_TO = 2


class Gateway:
    """Asks, and listens on its partition of the replies from now on."""

    def __init__(self, here: Installation) -> None:
        self.here = here
        self._producer = Producer({"bootstrap.servers": here.kafka, "linger.ms": 0})
        self._consumer = Consumer({"bootstrap.servers": here.kafka, "group.id": "unused", "enable.auto.commit": False})
        end = here.ends(AUDIT_REPLIES)[REPLY_TO]
        self._consumer.assign([TopicPartition(here.prefix + AUDIT_REPLIES, REPLY_TO, end)])
        self.answers: dict[str, list[Answer]] = {}

    def send(self, partition: int, value: bytes) -> None:
        self._producer.produce(self.here.prefix + AUDIT_REQUESTS, value, partition=partition)
        assert self._producer.flush(30) == 0

    def ask(self, about: Settlement, *, msgid: str = "", wait: float = 60, **fields: Any) -> str:
        """Put a question; returns by what its answers are known."""
        asks = uuid.uuid4().hex
        values: dict[str, Any] = {
            "kind": "bill", "asks": asks, "msgid": msgid or asks, "reply_to": REPLY_TO, "person_id": about.person_id, "bill": about,
            "deadline_ms": int((time.time() + wait) * 1000), "at": "2026-03-02 18:00:00",
        }  # fmt: skip
        question = Question(**(values | fields))
        self.send(key_partition(about.person_id.encode(), PARTITIONS), encode(question))
        return asks

    def listen(self, seconds: float = 0.1) -> None:
        message = self._consumer.poll(seconds)
        while message is not None:
            assert message.error() is None
            answer = decode_answer(message.value())
            self.answers.setdefault(answer.asks, []).append(answer)
            message = self._consumer.poll(0)

    def whole(self, asks: str) -> bool:
        """Whether all parts are here."""
        parts = {answer.part for answer in self.answers.get(asks, [])}
        awaited = {name for answer in self.answers.get(asks, []) for name in answer.awaits}
        return "person" in parts and awaited <= parts

    def wait(self, asks: str) -> list[Answer]:
        def arrived() -> bool:
            self.listen()
            return self.whole(asks)

        self.here.wait(arrived)
        return self.answers[asks]

    def findings(self, asks: str) -> list[bytes]:
        """What was found, in an order of its own: parts come as they come."""
        parts = {answer.part: answer for answer in self.answers[asks]}
        return sorted(msgspec.json.encode(found) for answer in parts.values() for found in answer.findings)

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def gateway() -> Iterator[Callable[[Installation], Gateway]]:
    made: list[Gateway] = []

    def make(here: Installation) -> Gateway:
        made.append(Gateway(here))
        return made[-1]

    yield make
    for one in made:
        one.close()


def _visit(hour: int, **fields: Any) -> bytes:
    return json.dumps(
        {
            "event_id": f"E{hour}", "event_type": "SETTLE", "setl_id": f"S{hour}", "mdtrt_id": f"M{hour}", "psn_no": "P1", "med_type": "11",
            "setl_time": f"2026-03-02 {8 + hour:02}:00:00", "fixmedins_code": f"H{hour}", "medfee_sumamt": "100.00",
            "fund_pay_sumamt": "60.00",
        }
        | fields
    ).encode()  # fmt: skip


def _bill(**fields: Any) -> Settlement:
    return decode_settlement(_visit(10, **({"event_id": "audit:1", "setl_id": "audit:1", "mdtrt_id": "M99"} | fields)))


def test_what_was_settled_a_moment_ago_counts_and_the_same_message_is_told_the_same(
    install: Callable[..., Installation], gateway: Callable[[Installation], Gateway]
) -> None:
    here = install()
    worker = here.start()
    here.wait(lambda: here.assignments(worker) > 0)
    asking = gateway(here)
    first = asking.ask(_bill(), msgid="one")
    [answer] = asking.wait(first)
    assert (answer.part, answer.awaits, answer.findings, answer.msgid) == ("person", [], [], "one")
    here.publish(_visit(hour) for hour in range(1, 9))

    def changed() -> bool:
        return bool(asking.wait(asking.ask(_bill()))[0].findings)

    here.wait(changed)
    again = asking.ask(_bill(), msgid="one")
    assert asking.wait(again)[0].findings == []
    limited = asking.ask(_bill(), rule_ids=["agent_buying.drug_rush"])
    assert asking.wait(limited)[0].findings == []
    found = asking.wait(asking.ask(_bill()))[0].findings
    assert {one.person_id for one in found} == {"P1"}
    told = asking.wait(asking.ask(_bill(), kind="patient", bill=None))[0].patient
    assert told is not None
    assert len(told.visits) == 8
    assert here.stop(worker) == 0


def test_what_is_no_question_becomes_a_dead_letter_and_late_ones_are_dropped(
    install: Callable[..., Installation], gateway: Callable[[Installation], Gateway]
) -> None:
    here = install()
    worker = here.start()
    here.wait(lambda: here.assignments(worker) > 0)
    asking = gateway(here)
    home = key_partition(b"P1", PARTITIONS)
    asking.send(home, b"{")
    asking.send(home, b"")
    asking.ask(_bill(), reply_to=PARTITIONS)
    asking.ask(_bill(), bill=None)
    late = asking.ask(_bill(), wait=-1)
    asking.send((home + 1) % PARTITIONS, encode(_question("lost")))
    good = asking.ask(_bill())
    asking.wait(good)
    here.wait(lambda: len(here.stored("dead")) == 5)
    assert len(list(here.values(DEADLETTERS))) == 5
    asking.listen()
    assert late not in asking.answers
    assert "lost" not in asking.answers
    assert here.stop(worker) == 0


def _question(asks: str) -> Question:
    return Question(
        kind="bill", asks=asks, msgid=asks, reply_to=REPLY_TO, deadline_ms=int((time.time() + 60) * 1000), person_id="P1",
        at="2026-03-02 18:00:00", bill=_bill(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return list(simulate(persons=1_500, days=40, seed=11).lines())


def _bills(lines: Iterable[bytes]) -> list[Settlement]:
    """Settlements once more, as bills of the day after the last."""
    settled = [one for one in map(decode_settlement, lines) if one.kind == "SETTLE" and one.terminal_id]
    at = max(one.settled_at for one in settled)
    return [
        msgspec.structs.replace(
            one,
            event_id=f"audit:{n}",
            settlement_id=f"audit:{n}",
            visit_id=f"audit:{n}",
            settled_at=at,
            message_at=None,
        )
        for n, one in enumerate(settled[-4_000::40])
    ]


def test_parts_come_from_two_workers_as_the_whole_from_one_and_nothing_is_changed_by_asking(
    install: Callable[..., Installation], gateway: Callable[[Installation], Gateway], lines: list[bytes]
) -> None:
    here = install()
    first = here.start()
    here.wait(lambda: here.assignments(first) > 0)
    bills, asking = _bills(lines), gateway(here)
    half = len(lines) // 2
    here.publish(lines[:half])
    amid = [asking.ask(bill) for bill in bills]
    here.publish(lines[half:])
    amid += [asking.ask(bill) for bill in bills]
    here.wait(here.settled)
    alone = [asking.ask(bill) for bill in bills]
    for asks in (*amid, *alone):
        asking.wait(asks)
    assert all(len(asking.answers[asks]) == 1 for asks in (*amid, *alone))
    expected = [asking.findings(asks) for asks in alone]
    assert any(b'"subject_type":"person"' in found for some in expected for found in some)
    assert any(b'"subject_type":"person"' not in found for some in expected for found in some)

    second = here.start()
    here.wait(lambda: here.assignments(second) > 0 and here.assignments(first) > 1)
    shared = [asking.ask(bill) for bill in bills]
    for asks in shared:
        asking.wait(asks)
    assert any(len(asking.answers[asks]) > 1 for asks in shared)
    assert [asking.findings(asks) for asks in shared] == expected
    here.wait(here.settled)
    assert here.stop(first) == 0
    assert here.stop(second) == 0
    undisturbed = backtest(lines, load_judge(StreamSettings()), partitions=PARTITIONS)
    assert alerts_sha256(here.alerts()) == undisturbed.alerts_sha256


def test_a_question_that_is_open_when_a_worker_comes_is_answered(
    install: Callable[..., Installation], gateway: Callable[[Installation], Gateway]
) -> None:
    here = install()
    worker = here.start()
    here.wait(lambda: here.assignments(worker) > 0)
    asking = gateway(here)
    asking.wait(asking.ask(_bill()))
    assert here.stop(worker) == 0
    worker = here.start()
    open_still = ""
    while not here.assignments(worker):
        open_still = asking.ask(_bill())
        asking.listen(0.2)
    assert len(asking.wait(open_still)) == 1
    assert here.stop(worker) == 0


def test_nobody_is_told_what_is_not_right_yet(
    install: Callable[..., Installation], gateway: Callable[[Installation], Gateway]
) -> None:
    """While the store is away judging stops at a limit, and the person's purchases lie far behind it."""
    here = install()
    worker = here.start()
    here.wait(lambda: here.assignments(worker) > 0)
    assert here.stop(worker) == 0
    home = key_partition(b"P1", PARTITIONS)
    others = [p for p in (f"N{n}" for n in range(40_000)) if key_partition(p.encode(), PARTITIONS) == home][:4_000]
    here.publish(_visit(1, event_id=f"E{p}", setl_id=f"S{p}", mdtrt_id=f"M{p}", psn_no=p) for p in others)
    here.publish(_visit(hour) for hour in range(1, 9))
    (here.folder / "away").touch()
    worker = here.start()
    here.wait(lambda: "store.unavailable" in here.log(worker))
    asking = gateway(here)
    asks = asking.ask(_bill())
    stranger = next(p for p in (f"N{n}" for n in range(100)) if key_partition(p.encode(), PARTITIONS) != home)
    asking.wait(asking.ask(_bill(psn_no=stranger)))
    assert asks not in asking.answers
    (here.folder / "away").unlink()
    [answer] = asking.wait(asks)
    assert answer.findings
    assert here.stop(worker) == 0


class Audited:
    """A real sink that dies as told: ``fails`` before or after the rows are in."""

    def __init__(self, sink: Sink, *fails: str) -> None:
        self.sink = sink
        self.fails = list(fails)
        self.calls = 0

    def store_audits(self, records: Sequence[Record]) -> None:
        self.calls += 1
        how = self.fails.pop(0) if self.fails else ""
        if how == "away":
            raise StoreUnavailable("the test says so")
        self.sink.store_audits(records)
        if how == "killed":
            raise RuntimeError("the test ends this worker")

    def store(self, **rows: Any) -> None:
        self.sink.store(**rows)

    def refresh(self) -> None:
        pass


def _record(number: int) -> Record:
    return Record(
        audit_id=f"A{number}", msgid=f"M{number}", infno="3101", client="his", institution_id="H1", person_ids=["P1"],
        asked_at=1_741_570_200_000 + number, took_ms=1.5, infcode=0, request="{}", answer="{}", digest="",
    )  # fmt: skip


async def test_what_gateways_log_is_stored_once_whoever_is_killed_and_kept_while_the_store_is_away(
    kafka: str, topic_prefix: Callable[[], str], store: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.storing._FIRST_PAUSE", 0.01)
    settings = StreamSettings(kafka=kafka, topic_prefix=topic_prefix(), partitions=PARTITIONS)
    await ensure_topics(settings)
    values = [encode(_record(number)) for number in range(50)]
    values.insert(20, b"[]")
    _produce(kafka, settings.topics.name(AUDIT_LOG), values)
    meters = Meters()
    with pytest.raises(RuntimeError, match="ends this worker"):
        await _carry(settings, Audited(Sink(store), "away", "away", "killed"), meters, lambda: False)
    assert meters.store_retries >= 2
    count = "SELECT count(), uniqExact(audit_id) FROM audits"

    def stored() -> bool:
        letters = store.query("SELECT count() FROM dead_letters").result_rows
        return store.query(count).result_rows == [(50, 50)] and letters == [(1,)] and meters.audit_records >= 50

    await _carry(settings, Audited(Sink(store)), meters, stored)
    assert _committed(kafka, settings.topics) == 51


def _produce(kafka: str, topic: str, values: Iterable[bytes]) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


async def _carry(settings: StreamSettings, sink: Audited, meters: Meters, until: Callable[[], bool]) -> None:
    """Run the log until it fails or there is no more to commit."""
    sender, storing = Sender(settings.kafka), Storing(sink, sink, meters)
    audit_sink: AuditSink = sink
    letters = Letters(settings.topics, sender, storing, meters)
    await sender.start()
    task = asyncio.create_task(AuditLog(settings.kafka, settings.topics, audit_sink, letters, meters, session=6).run())
    try:
        deadline = time.monotonic() + 60
        while not task.done() and not (until() and _committed(settings.kafka, settings.topics) == 51):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await storing.close()
        await sender.stop()


def _committed(kafka: str, topics: Topics) -> int:
    name = topics.name(AUDIT_LOG)
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": name, "enable.auto.commit": False})
    try:
        asked = [TopicPartition(name, p) for p in range(PARTITIONS)]
        return sum(max(0, one.offset) for one in consumer.committed(asked, 10))
    finally:
        consumer.close()
