"""Topics of their own on the shared broker, and real worker processes that serve them."""

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

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.alert import Alert, decode_alert
from schemas.topics import ALERTS, FACTS, SETTLEMENTS, WORKER_GROUP

PARTITIONS = 4
PROCESS = Path(__file__).with_name("worker_process.py")


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


def _person(value: bytes) -> bytes:
    try:
        return str(json.loads(value)["psn_no"]).encode()
    except (ValueError, TypeError, KeyError, RecursionError):
        return b"nobody"
