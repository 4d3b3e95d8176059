"""Topic and group names, their partitions and retention."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from schemas.partitions import PARTITIONS

SETTLEMENTS: Final = "settlements"
FACTS: Final = "facts"
ALERTS: Final = "alerts"
DEADLETTERS: Final = "deadletters"
AUDIT_REQUESTS: Final = "audit.requests"
AUDIT_REPLIES: Final = "audit.replies"
AUDIT_LOG: Final = "audit.log"
FEEDBACK: Final = "feedback"
DELIVERIES: Final = "deliveries"
PERSON_STATE: Final = "state.persons"
PLACE_STATE: Final = "state.places"
WORKER_GROUP: Final = "worker"
NOTIFIER_GROUP: Final = "notifier"


@dataclass(frozen=True)
class Topic:
    """A topic as it must exist: ``config`` are Kafka topic settings."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Topics:
    """All names under one prefix, so that several installations share a cluster."""

    prefix: str = ""
    partitions: int = PARTITIONS
    """Partitions of every co-partitioned topic; fixed at first start, since a person's partition must never change."""

    def name(self, base: str) -> str:
        """The full name of a topic or group."""
        return f"{self.prefix}{base}"

    def all(self) -> list[Topic]:
        """Every topic the system needs, in creation order."""
        log = {
            "cleanup.policy": "delete",
            "retention.ms": str(30 * 86_400_000),
            "max.message.bytes": str(2 * 1024 * 1024),
        }
        state = {
            "cleanup.policy": "compact", "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.3",
            "max.message.bytes": str(8 * 1024 * 1024),
        }  # fmt: skip
        wide = log | {"max.message.bytes": str(8 * 1024 * 1024)}
        # the last word on every alert and receiver for as long as an alert may grow; the store takes every word within the lag
        kept = state | {
            "cleanup.policy": "compact,delete", "retention.ms": str(90 * 86_400_000), "min.compaction.lag.ms": str(6 * 3_600_000),
        }  # fmt: skip
        brief = log | {"retention.ms": str(3_600_000), "segment.ms": "600000"}
        return [
            Topic(self.name(SETTLEMENTS), self.partitions, log),
            Topic(self.name(FACTS), self.partitions, wide),
            Topic(self.name(ALERTS), self.partitions, log),
            Topic(self.name(DEADLETTERS), self.partitions, wide),
            Topic(self.name(AUDIT_REQUESTS), self.partitions, brief),
            Topic(self.name(AUDIT_REPLIES), self.partitions, brief),
            Topic(self.name(AUDIT_LOG), self.partitions, log),
            Topic(self.name(FEEDBACK), self.partitions, log),
            Topic(self.name(DELIVERIES), self.partitions, kept),
            Topic(self.name(PERSON_STATE), self.partitions, state),
            Topic(self.name(PLACE_STATE), self.partitions, state),
        ]
