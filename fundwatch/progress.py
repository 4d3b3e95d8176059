"""How far the worker is: what the topics hold against what its group has committed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from fundwatch.errors import BrokerError
from schemas.topics import FACTS, SETTLEMENTS, WORKER_GROUP, Topics

_TIMEOUT: Final = 5.0
_NO_GROUP_YET: Final = {
    KafkaError.GROUP_ID_NOT_FOUND, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
}  # fmt: skip


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
    """Asks one Kafka about the worker's group; every call raises BrokerError when there is no answer in five seconds."""

    def __init__(self, kafka: str, topics: Topics) -> None:
        self._kafka = kafka
        self._topics = topics
        self._group = topics.name(WORKER_GROUP)
        # librdkafka tells every lost connection on standard error; what matters here is told by the exceptions
        self._admin = AdminClient(
            {"bootstrap.servers": kafka, "log_level": 0, "socket.timeout.ms": int(_TIMEOUT * 1000)}
        )

    def partitions(self) -> dict[str, int]:
        """Partitions per topic, for every topic the cluster has."""
        try:
            metadata = self._admin.list_topics(timeout=_TIMEOUT)
        except KafkaException as error:
            raise self._unreachable(error) from None
        return {name: len(topic.partitions) for name, topic in metadata.topics.items()}

    def assigned(self) -> bool:
        """Whether the group is settled and somebody holds every partition of the settlements and facts topics."""
        asked = {self._topics.name(SETTLEMENTS), self._topics.name(FACTS)}
        future = self._admin.describe_consumer_groups([self._group])[self._group]
        try:
            group = future.result(timeout=_TIMEOUT)
        except KafkaException as error:
            if error.args[0].code() in _NO_GROUP_YET:
                return False
            raise self._unreachable(error) from None
        except TimeoutError as error:
            raise self._unreachable(error) from None
        if group.state != ConsumerGroupState.STABLE:
            return False
        held = {
            (partition.topic, partition.partition)
            for member in group.members
            for partition in member.assignment.topic_partitions
            if partition.topic in asked
        }
        return len(held) == len(asked) * self._topics.partitions

    def lag(self, base: str) -> Lag:
        """The worker's lag on one topic, named by its base name."""
        topic = self._topics.name(base)
        partitions = [TopicPartition(topic, number) for number in range(self._topics.partitions)]
        first = self._offsets(partitions, OffsetSpec.earliest())
        last = self._offsets(partitions, OffsetSpec.latest())
        asked = [ConsumerGroupTopicPartitions(self._group, partitions)]
        answer = self._answer(self._admin.list_consumer_group_offsets(asked)[self._group])
        committed = {one.partition: one.offset for one in answer.topic_partitions}
        return Lag(
            published=sum(last[number] - first[number] for number in last),
            committed=sum(max(committed.get(number, 0) - first[number], 0) for number in last),
        )

    def _offsets(self, partitions: list[TopicPartition], spec: OffsetSpec) -> dict[int, int]:
        futures = self._admin.list_offsets(dict.fromkeys(partitions, spec))
        return {partition.partition: int(self._answer(future).offset) for partition, future in futures.items()}

    def _answer(self, future: Any) -> Any:
        try:
            return future.result(timeout=_TIMEOUT)
        except (KafkaException, TimeoutError) as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: BaseException) -> BrokerError:
        reason = error.args[0].str() if isinstance(error, KafkaException) and error.args else "no answer"
        return BrokerError(f"expected Kafka at {self._kafka}, got: {reason}; start it, or correct FUNDWATCH_KAFKA")
