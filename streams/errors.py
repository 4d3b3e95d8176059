"""What can go wrong on the way through Kafka and at the doors, said so that the operator can mend it."""

from __future__ import annotations


class StreamsError(Exception):
    """Base of every error of this package."""


class BrokerError(StreamsError):
    """The embedded broker cannot be started or does not answer."""


class JavaNotFoundError(BrokerError):
    """No Java that can run Kafka was found."""


class KafkaNotFoundError(BrokerError):
    """Kafka's own jars are neither in the cache nor to be had."""


class FolderInUseError(StreamsError):
    """Another process works in this data folder."""


class ReplayError(StreamsError):
    """A settlement file cannot be published."""


class TopicError(StreamsError):
    """A topic cannot be created, or exists in another shape than the installation needs."""


class WorkerStalled(StreamsError):  # noqa: N818  says what happened to it
    """This process stood still for so long that its partitions may belong to another worker by now."""
