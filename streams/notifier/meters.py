"""What Prometheus is told of the notifier."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class NotifierMeters:
    """Counters of one notifier, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.alerts = Counter("fundwatch_notifier_alerts", "revisions of alerts read", registry=self.registry)
        self.unreadable = Counter("fundwatch_notifier_unreadable", "records that are no alert", registry=self.registry)
        self.attempts = Counter(
            "fundwatch_notifier_attempts", "attempts by receiver and what came of them", ["receiver", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.waiting = Gauge(
            "fundwatch_notifier_waiting", "alerts on their way to a receiver", ["receiver"], registry=self.registry
        )
        self.down = Gauge(
            "fundwatch_notifier_receiver_down", "1 while a receiver is left alone because it keeps failing", ["receiver"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "fundwatch_notifier_seconds", "from published to delivered", ["receiver"], registry=self.registry,
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 60, 600),
        )  # fmt: skip
