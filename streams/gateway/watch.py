"""The gateway's service monitoring: Prometheus figures, the last minute, and thresholds that raise an alarm while it runs."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client import Counter as Count

SPAN_SECONDS: Final = 60
_FEWEST: Final = 10
"""Requests in the last minute below which a share says nothing."""
_STEPS: Final = 20
"""Slots per factor e of duration: a percentile is read to 5 per cent."""
_BUCKETS: Final = (0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0)

log = structlog.get_logger(__name__)


@dataclass
class Threshold:
    """A limit on a figure of the last minute; ``since`` is when it was crossed (seconds since 1970), None while it is kept."""

    name: str
    meaning: str
    value: float
    measure: Callable[[], float]
    on: bool = True
    measured: float = 0.0
    since: float | None = None


@dataclass
class _Second:
    at: int
    audits: int = 0
    undecided: int = 0
    requests: int = 0
    refused: int = 0
    slots: Counter[int] = field(default_factory=Counter)


class UnknownThresholdError(KeyError):
    """No threshold has this name."""


class Watch:
    """Counts what the gateway does. ``clock`` gives seconds that only go forward, ``now`` seconds since 1970."""

    def __init__(
        self,
        *,
        open_requests: Callable[[], int],
        backlog: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._clock, self._now = clock, now
        self._seconds: deque[_Second] = deque()
        # of its own: two gateways in one process (tests) do not share figures
        self.registry = registry = CollectorRegistry()
        self._took = Histogram(
            "fundwatch_gateway_seconds", "duration of a transaction", ["infno"], buckets=_BUCKETS, registry=registry
        )
        self._rule_took = Histogram(
            "fundwatch_gateway_rule_seconds",
            "duration of the audits in which a rule was shown",
            ["rule_id"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._found = Count(
            "fundwatch_gateway_findings", "findings, by rule and light", ["rule_id", "light"], registry=registry
        )
        self._audits = Count("fundwatch_gateway_audits", "audits answered", ["infno", "undecided"], registry=registry)
        self._refused = Count("fundwatch_gateway_refused", "requests refused, by reason", ["reason"], registry=registry)
        self._repeated = Count(
            "fundwatch_gateway_repeated", "messages that came again and got the answer they had", registry=registry
        )
        self._ignored = Count(
            "fundwatch_gateway_ignored_replies", "replies nobody waited for (any more)", registry=registry
        )
        self._overflow = Count(
            "fundwatch_gateway_overflow", "questions not asked because too many were open", registry=registry
        )
        self._lost = Count(
            "fundwatch_gateway_log_lost", "records not kept because the broker was away for too long", registry=registry
        )
        Gauge("fundwatch_gateway_open_requests", "questions that wait", registry=registry).set_function(open_requests)
        Gauge("fundwatch_gateway_log_backlog", "records not yet safe in audit.log", registry=registry).set_function(
            backlog
        )
        Gauge("fundwatch_gateway_undecided_share", "of the audits of the last minute", registry=registry).set_function(
            self._undecided_share
        )
        self._alarm = Gauge("fundwatch_gateway_alarm", "1 while a threshold is crossed", ["name"], registry=registry)
        self._thresholds = {
            one.name: one
            for one in (
                Threshold("undecided_share", "undecided audits, share of the last minute", 0.02, self._undecided_share),
                Threshold(
                    "p99_seconds", "99th percentile of an audit's duration, last minute, seconds", 0.5, self._p99
                ),
                Threshold("refused_share", "refused requests, share of the last minute", 0.2, self._refused_share),
                Threshold("log_backlog", "records not yet safe in audit.log", 1_000.0, lambda: float(backlog())),
            )
        }
        for name in self._thresholds:
            self._alarm.labels(name).set(0)

    def answered(self, infno: str, seconds: float, *, undecided: bool, rules: Iterable[tuple[str, str]]) -> None:
        """An audit (3101, 3102) was answered; ``rules`` are rule id and light of its findings."""
        self.took(infno, seconds)
        self._audits.labels(infno, "yes" if undecided else "no").inc()
        shown = set()
        for rule_id, light in rules:
            self._found.labels(rule_id, light).inc()
            if light != "green":
                shown.add(rule_id)
        for rule_id in shown:
            self._rule_took.labels(rule_id).observe(seconds)
        second = self._second()
        second.audits += 1
        second.undecided += undecided
        second.slots[math.ceil(math.log(max(seconds, 1e-6)) * _STEPS)] += 1

    def took(self, infno: str, seconds: float) -> None:
        """A transaction of another kind was answered."""
        self._took.labels(infno).observe(seconds)

    def request(self, *, refused: str = "") -> None:
        """A request of any kind ended; ``refused`` says why it was not served."""
        second = self._second()
        second.requests += 1
        if refused:
            second.refused += 1
            self._refused.labels(refused).inc()

    def repeated(self) -> None:
        """A message came again."""
        self._repeated.inc()

    def ignored(self) -> None:
        """A reply came that nobody waits for."""
        self._ignored.inc()

    def overflowed(self) -> None:
        """A question was not asked."""
        self._overflow.inc()

    def lost(self, records: int) -> None:
        """Records were given up."""
        self._lost.inc(records)

    def thresholds(self) -> list[Threshold]:
        """Every threshold as it is now."""
        self.look()
        return list(self._thresholds.values())

    def change(self, name: str, *, value: float | None, on: bool | None, by: str) -> Threshold:
        """Change a threshold until the process ends; raises UnknownThresholdError."""
        threshold = self._thresholds.get(name)
        if threshold is None:
            raise UnknownThresholdError(name)
        threshold.value = threshold.value if value is None else value
        threshold.on = threshold.on if on is None else on
        log.info("gateway.threshold_changed", name=name, value=threshold.value, on=threshold.on, by=by)
        self.look()
        return threshold

    def look(self) -> None:
        """Measure, raise what is crossed, take back what is not any more; to be called every second."""
        for threshold in self._thresholds.values():
            threshold.measured = round(threshold.measure(), 4)
            crossed = threshold.on and threshold.measured > threshold.value
            if crossed == (threshold.since is not None):
                continue
            threshold.since = self._now() if crossed else None
            self._alarm.labels(threshold.name).set(int(crossed))
            told = {"name": threshold.name, "measured": threshold.measured, "value": threshold.value}
            if crossed:
                log.error("gateway.threshold", **told)
            else:
                log.info("gateway.threshold_kept", **told)

    def _second(self) -> _Second:
        at = int(self._clock())
        if not self._seconds or self._seconds[-1].at != at:
            self._forget(at)
            self._seconds.append(_Second(at))
        return self._seconds[-1]

    def _forget(self, at: int) -> None:
        while self._seconds and self._seconds[0].at <= at - SPAN_SECONDS:
            self._seconds.popleft()

    def _minute(self) -> deque[_Second]:
        self._forget(int(self._clock()))
        return self._seconds

    def _undecided_share(self) -> float:
        audits = sum(second.audits for second in self._minute())
        return sum(second.undecided for second in self._seconds) / audits if audits >= _FEWEST else 0.0

    def _refused_share(self) -> float:
        requests = sum(second.requests for second in self._minute())
        return sum(second.refused for second in self._seconds) / requests if requests >= _FEWEST else 0.0

    def _p99(self) -> float:
        slots: Counter[int] = Counter()
        for second in self._minute():
            slots.update(second.slots)
        left = slots.total() * 0.01
        if slots.total() < _FEWEST:
            return 0.0
        for slot in sorted(slots, reverse=True):
            left -= slots[slot]
            if left < 0:
                return math.exp(slot / _STEPS)
        return 0.0
