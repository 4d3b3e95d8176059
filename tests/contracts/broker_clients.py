"""Small clients the broker contract is asked through: topics, everything that was written, Kafka's own partitioner."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

WITHIN = 60.0


def create_topic(address: str, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
    """Make a topic and wait until it is there."""
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    admin.create_topics([NewTopic(name, partitions, 1, config=dict(config or {}))])[name].result(WITHIN)
    deadline = time.monotonic() + WITHIN
    while len(admin.list_topics(name, timeout=WITHIN).topics[name].partitions) != partitions:
        assert time.monotonic() < deadline, f"topic {name} did not come about"
    return name


def read_all(address: str, topic: str) -> dict[int, list[Message]]:
    """Every record of a topic from its beginning to its end of now, by partition, in the log's order."""
    consumer = Consumer(
        {
            "bootstrap.servers": address, "group.id": "unused", "enable.auto.commit": False, "log_level": 0,
            "enable.partition.eof": True, "fetch.message.max.bytes": 16 * 1024 * 1024,
        }
    )  # fmt: skip
    try:
        partitions = list(consumer.list_topics(topic, timeout=WITHIN).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        records: dict[int, list[Message]] = defaultdict(list)
        ended: set[int] = set()
        deadline = time.monotonic() + WITHIN
        while len(ended) < len(partitions):
            assert time.monotonic() < deadline, f"topic {topic} could not be read to its end"
            for message in consumer.consume(1_000, timeout=0.5):
                error = message.error()
                if error is None:
                    records[message.partition()].append(message)
                    ended.discard(message.partition())
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
        return dict(records)
    finally:
        consumer.close()


def murmur2(data: bytes) -> int:
    """Kafka's hash, written from its description: 32 bits, as Java counts them."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """The partition Java's producer gives a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
