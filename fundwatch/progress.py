"""How far the worker is: what the topics hold against what its group has committed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from fundwatch.errors import BrokerError
from schemas.topics import FACTS, SETTLEMENTS, WORKER_GROUP, Topics

_TIMEOUT: Final = 5.0


@dataclass(frozen=True)
class Lag:
    """Records per topic since its beginning: how many there are, and for how many the worker has answered."""

    published: int
    committed: int

    @property
    def records(self) -> int:
        """Records the worker has yet to answer for."""
        return self.published - self.committed


class Progress:
    """Asks one Kafka about the worker's group; every call raises BrokerError when there is no answer in five seconds.

    It asks as a consumer that never joins and as an old-style admin: the newer admin calls (describe groups, list offsets) abort the
    whole process when the broker goes away under them (librdkafka issue 4605).
    """

    def __init__(self, kafka: str, topics: Topics) -> None:
        self._kafka = kafka
        self._topics = topics
        self._group = topics.name(WORKER_GROUP)
        # librdkafka tells every lost connection on standard error; what matters here is told by the exceptions
        common = {"bootstrap.servers": kafka, "log_level": 0, "reconnect.backoff.max.ms": 500}
        self._admin = AdminClient(common)
        self._consumer = Consumer({**common, "group.id": self._group, "enable.auto.commit": False})

    def partitions(self) -> dict[str, int]:
        """Partitions per topic, for every topic the cluster has."""
        with self._told():
            metadata = self._admin.list_topics(timeout=_TIMEOUT)
        return {name: len(topic.partitions) for name, topic in metadata.topics.items()}

    def assigned(self) -> bool:
        """Whether the group is settled and somebody holds every partition of the settlements and facts topics."""
        wanted = {
            (self._topics.name(base), number)
            for base in (SETTLEMENTS, FACTS)
            for number in range(self._topics.partitions)
        }
        with self._told():
            groups = self._admin.list_groups(self._group, timeout=_TIMEOUT)
        held: set[tuple[str, int]] = set()
        for group in groups:
            if group.id == self._group and group.state == "Stable":
                held.update(*(_assignment(member.assignment) for member in group.members))
        return wanted <= held

    def lag(self, base: str) -> Lag:
        """The worker's lag on one topic, named by its base name."""
        topic = self._topics.name(base)
        asked = [TopicPartition(topic, number) for number in range(self._topics.partitions)]
        with self._told():
            committed = {one.partition: one.offset for one in self._consumer.committed(asked, timeout=_TIMEOUT)}
            spans = {one.partition: self._consumer.get_watermark_offsets(one, timeout=_TIMEOUT) for one in asked}
        return Lag(
            published=sum(end - first for first, end in spans.values()),
            committed=sum(max(committed[number] - first, 0) for number, (first, _) in spans.items()),
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            reason = error.args[0].str() if error.args else "no answer"
            raise BrokerError(
                f"expected Kafka at {self._kafka}, got: {reason}; start it, or correct FUNDWATCH_KAFKA"
            ) from None


def _assignment(data: bytes) -> set[tuple[str, int]]:
    """Topic partitions of a member's assignment, in the consumer protocol's own form: version, then topics with partitions."""
    held: set[tuple[str, int]] = set()
    at = 2
    if len(data) < at + 4:
        return held  # a member that waits for its assignment has none
    (topics,) = struct.unpack_from(">i", data, at)
    at += 4
    for _ in range(topics):
        (length,) = struct.unpack_from(">h", data, at)
        name = data[at + 2 : at + 2 + length].decode()
        at += 2 + length
        (count,) = struct.unpack_from(">i", data, at)
        held.update((name, number) for number in struct.unpack_from(f">{count}i", data, at + 4))
        at += 4 + 4 * count
    return held
