"""The worker on a real Kafka: the same alerts as the backtest whatever happens to it, every offset committed, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from detectors.backtest import run as backtest
from schemas.alert import Alert, alerts_sha256, decode_alert
from schemas.partitions import key_partition
from schemas.settlement import decode_settlement
from schemas.topics import ALERTS, DEADLETTERS, FACTS, PERSON_STATE, SETTLEMENTS, WORKER_GROUP
from streams.app import load_judge
from streams.settings import StreamSettings
from streams.simulator import simulate
from tests.data.broken_inputs import BROKEN
from tests.detectors.models.population import town

pytestmark = pytest.mark.embedded
PARTITIONS = 4
PROCESS = Path(__file__).with_name("worker_process.py")


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return list(simulate(persons=1_500, days=40, seed=11).lines())


class Installation:
    """Topics of its own on the shared broker, and the workers that serve them."""

    def __init__(self, kafka: str, prefix: str, folder: Path, **settings: str) -> None:
        self.kafka, self.prefix, self.folder = kafka, prefix, folder
        self.environment = os.environ | {
            "FUNDWATCH_KAFKA": kafka,
            "FUNDWATCH_TOPIC_PREFIX": prefix,
            "FUNDWATCH_PARTITIONS": str(PARTITIONS),
            "FUNDWATCH_WORKER_FLUSH_SECONDS": "0.05",
            "FUNDWATCH_WORKER_FLUSH_EVENTS": "300",
            "FUNDWATCH_WORKER_SESSION_SECONDS": "6",
        }
        self.environment |= {f"FUNDWATCH_{name.upper()}": value for name, value in settings.items()}
        self._admin = AdminClient({"bootstrap.servers": kafka})
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, die_at: int = 0, instance: str = "") -> subprocess.Popen[bytes]:
        with (self.folder / f"log{len(self._running)}").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(PROCESS), str(self.folder), str(die_at)],
                env=self.environment | {"FUNDWATCH_WORKER_INSTANCE": instance},
                stdout=log,
                stderr=log,
            )
        self._running.append(process)
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGTERM)
        return process.wait(30)

    def kill_all(self) -> None:
        for process in self._running:
            process.kill()
            process.wait(30)

    def publish(self, values: Iterable[bytes]) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self.kafka,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 5,
            }
        )
        for value in values:
            producer.produce(self.prefix + SETTLEMENTS, value, _person(value))
            producer.poll(0)
        assert producer.flush(60) == 0

    def log(self, process: subprocess.Popen[bytes]) -> str:
        return (self.folder / f"log{self._running.index(process)}").read_text()

    def assignments(self, process: subprocess.Popen[bytes]) -> int:
        return self.log(process).count("partitions.assigned")

    def ends(self, topic: str) -> list[int]:
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": "unused"})
        try:
            return [
                consumer.get_watermark_offsets(TopicPartition(self.prefix + topic, p))[1] for p in range(PARTITIONS)
            ]
        finally:
            consumer.close()

    def committed(self, topic: str) -> list[int]:
        asked = ConsumerGroupTopicPartitions(
            self.prefix + WORKER_GROUP, [TopicPartition(self.prefix + topic, p) for p in range(PARTITIONS)]
        )
        answer = next(iter(self._admin.list_consumer_group_offsets([asked]).values())).result(10)
        return [max(0, one.offset) for one in answer.topic_partitions]

    def settled(self) -> bool:
        """Whether every settlement and fact has been judged, stored and committed."""
        return all(self.committed(topic) == self.ends(topic) for topic in (SETTLEMENTS, FACTS))

    def stored(self, kind: str) -> list[Any]:
        path = self.folder / "stored"
        rows = [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        return [row[1:] for row in rows if row[0] == kind]

    def values(self, topic: str) -> Iterator[bytes]:
        return (value for _, value in self.records(topic))

    def records(self, topic: str) -> Iterator[tuple[bytes, bytes]]:
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": "unused", "enable.auto.commit": False})
        for partition, end in enumerate(self.ends(topic)):
            if end:
                consumer.assign([TopicPartition(self.prefix + topic, partition, 0)])
                reached = 0
                while reached < end:
                    message = consumer.poll(5)
                    assert message is not None
                    assert message.error() is None
                    reached = message.offset() + 1
                    yield message.key(), message.value()
        consumer.close()

    def rows(self, topic: str) -> dict[bytes, bytes]:
        """The last value of every key."""
        return {key: value for key, value in self.records(topic) if value is not None}

    def alerts(self) -> list[Alert]:
        return [decode_alert(value) for value in self.values(ALERTS)]

    def wait(self, until: Callable[[], bool], seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, [self.log(process)[-4_000:] for process in self._running]
            time.sleep(0.1)


@pytest.fixture
def install(kafka: str, topic_prefix: Callable[[], str], tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    made: list[Installation] = []

    def make(**settings: str) -> Installation:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Installation(kafka, topic_prefix(), folder, **settings))
        return made[-1]

    yield make
    for installation in made:
        installation.kill_all()


def _person(value: bytes) -> bytes:
    try:
        return str(json.loads(value)["psn_no"]).encode()
    except (ValueError, TypeError, KeyError, RecursionError):
        return b"nobody"


def _event_ids(values: Iterable[bytes]) -> set[str]:
    return {json.loads(value)["event_id"] for value in values}


def _expected(values: Iterable[bytes]) -> str:
    return backtest(values, load_judge(StreamSettings()), partitions=PARTITIONS).alerts_sha256


@pytest.mark.parametrize("path", ["batch", "plain"])
def test_alerts_equal_the_backtest_and_broken_values_become_dead_letters(
    install: Callable[..., Installation], lines: list[bytes], path: str
) -> None:
    here = install(worker_path=path)
    worker = here.start()
    here.wait(lambda: here.assignments(worker) > 0)
    mixed = [*lines]
    for number, (_, value, _) in enumerate(BROKEN):
        mixed.insert(number * (len(lines) // len(BROKEN)), value)
    here.publish(mixed)
    here.wait(here.settled)
    assert here.stop(worker) == 0
    assert alerts_sha256(here.alerts()) == _expected(lines)
    assert {event_id for (event_id,) in here.stored("settlement")} == _event_ids(lines)
    assert sorted(field for (field,) in here.stored("dead")) == sorted(field for _, _, field in BROKEN)
    assert len(list(here.values(DEADLETTERS))) == len(BROKEN)


def test_kill_9_in_the_middle_of_flushes_changes_nothing(
    install: Callable[..., Installation], lines: list[bytes]
) -> None:
    here = install()
    worker = here.start(die_at=2, instance="one")
    here.wait(lambda: here.assignments(worker) > 0)
    here.publish(lines)
    for die_at in (3, 1, 4):
        assert worker.wait(90) == -signal.SIGKILL, here.log(worker)[-4_000:]
        assert not here.settled()
        worker = here.start(die_at=die_at, instance="one")
    assert worker.wait(90) == -signal.SIGKILL
    worker = here.start(instance="one")
    here.wait(here.settled)
    assert here.stop(worker) == 0
    assert alerts_sha256(here.alerts()) == _expected(lines)
    assert {event_id for (event_id,) in here.stored("settlement")} == _event_ids(lines)


def test_an_alert_published_before_a_kill_is_withdrawn_when_its_ground_is_taken_back_after_it(
    install: Callable[..., Installation],
) -> None:
    visits = [_visit(day) for day in range(1, 9)]
    here = install()
    worker = here.start(die_at=1)
    here.wait(lambda: here.assignments(worker) > 0)
    here.publish(visits)
    assert worker.wait(90) == -signal.SIGKILL
    published = here.alerts()
    assert published
    # were the visits judged together with their reversals, nobody would know of the alert
    reversals = [_reversal(day) for day in range(1, 9)]
    here.publish(reversals)
    worker = here.start()
    here.wait(here.settled)
    assert here.stop(worker) == 0
    last = max(here.alerts(), key=lambda alert: alert.revision)
    assert last.withdrawn
    assert alerts_sha256(here.alerts()) == _expected([*visits, *reversals])


def test_partitions_that_move_between_workers_change_nothing(
    install: Callable[..., Installation], lines: list[bytes]
) -> None:
    here = install()
    third = len(lines) // 3
    first = here.start()
    here.wait(lambda: here.assignments(first) > 0)
    here.publish(lines[:third])
    second = here.start()
    here.wait(lambda: here.assignments(second) > 0)
    here.publish(lines[third : 2 * third])
    first.kill()
    here.publish(lines[2 * third :])
    here.wait(lambda: here.assignments(second) > 1)
    last = here.start()
    here.wait(lambda: here.assignments(last) > 0)
    here.publish(lines[:50])
    here.wait(here.settled)
    assert here.stop(second) == 0
    assert here.stop(last) == 0
    assert alerts_sha256(here.alerts()) == _expected(lines)
    assert {event_id for (event_id,) in here.stored("settlement")} == _event_ids(lines)


def test_what_persons_teach_each_other_survives_kills_and_moves(install: Callable[..., Installation]) -> None:
    """Bit for bit: the models in the changelog are those of an undisturbed run, and what they find is found."""
    lines = [json.dumps(made).encode() for made in town(6, persons=240)]
    undisturbed = backtest(lines, load_judge(StreamSettings()), partitions=PARTITIONS)
    assert any(alert.detector == "frequent_visits.unusual_pattern" for alert in undisturbed.alerts)
    here = install()
    half = len(lines) // 2
    worker = here.start()
    here.wait(lambda: here.assignments(worker) > 0)
    here.publish(lines[:half])
    here.wait(lambda: len(here.stored("settlement")) > half // 3)
    worker.kill()
    first = here.start()
    here.wait(lambda: here.assignments(first) > 0)
    second = here.start()
    here.wait(lambda: here.assignments(second) > 0)
    here.publish(lines[half:])
    first.kill()
    here.wait(here.settled)
    assert here.stop(second) == 0
    assert alerts_sha256(here.alerts()) == undisturbed.alerts_sha256
    assert {key: row for key, row in here.rows(PERSON_STATE).items() if key.startswith(b"cohort:")} == _taught(lines)


def _taught(lines: Iterable[bytes]) -> dict[bytes, bytes]:
    """The rows of the models after an undisturbed run, by key."""
    judge, persons = load_judge(StreamSettings()), {}
    cohorts = [judge.cohort(persons.__getitem__) for _ in range(PARTITIONS)]
    for line in lines:
        settlement = decode_settlement(line)
        person_id = settlement.person_id
        if person_id not in persons:
            cohort = cohorts[key_partition(person_id.encode(), PARTITIONS)]
            persons[person_id] = judge.person(person_id, None, cohort)
        judge.settle(persons[person_id], settlement)
    return {
        b"cohort:%d:%s" % (partition, name.encode()): row
        for partition, cohort in enumerate(cohorts)
        if cohort is not None
        for name, row in cohort.rows(whole=True).items()
    }


def test_nothing_is_committed_while_the_store_is_away_and_all_of_it_when_it_is_back(
    install: Callable[..., Installation], lines: list[bytes]
) -> None:
    here = install()
    (here.folder / "away").touch()
    worker = here.start()
    here.wait(lambda: here.assignments(worker) > 0)
    here.publish(lines)
    here.wait(lambda: "store.unavailable" in here.log(worker))
    assert not any(here.committed(SETTLEMENTS))
    assert not any(here.ends(FACTS)) or worker.poll() is None
    (here.folder / "away").unlink()
    here.wait(here.settled)
    assert here.stop(worker) == 0
    assert alerts_sha256(here.alerts()) == _expected(lines)


def _visit(day: int) -> bytes:
    return json.dumps(
        {
            "event_id": f"E{day}", "event_type": "SETTLE", "setl_id": f"S{day}", "mdtrt_id": f"M{day}", "psn_no": "P1", "med_type": "11",
            "setl_time": f"2026-03-02 {8 + day:02}:00:00", "fixmedins_code": f"H{day}", "medfee_sumamt": "100.00",
            "fund_pay_sumamt": "60.00",
        }
    ).encode()  # fmt: skip


def _reversal(day: int) -> bytes:
    return json.dumps(
        {
            "event_id": f"R{day}", "event_type": "REVERSE", "orig_setl_id": f"S{day}", "setl_id": f"SR{day}", "mdtrt_id": f"M{day}",
            "psn_no": "P1", "med_type": "11", "setl_time": f"2026-03-02 {8 + day:02}:30:00", "fixmedins_code": f"H{day}",
            "medfee_sumamt": "-100.00", "fund_pay_sumamt": "-60.00",
        }
    ).encode()  # fmt: skip
