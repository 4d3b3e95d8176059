"""What the worker counts, for its log line and for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(eq=False)
class Meters(Collector):
    """Plain numbers since the start: adding to them must cost nothing on the hot path."""

    scored: int = 0
    """Settlements judged, repeated ones not counted."""
    duplicates: int = 0
    """Settlements (or reversals) that were known already, or too old to be judged."""
    dead_letters: int = 0
    alerts: int = 0
    """Revisions of alerts published."""
    facts: int = 0
    """Facts that places have taken in."""
    flushes: int = 0
    flush_seconds: float = 0.0
    """Time spent in flushes, from the cut until everything was safe."""
    store_retries: int = 0
    rebalances: int = 0
    audits: int = 0
    """Questions of audits answered; the parts about places count on their own."""
    audits_expired: int = 0
    """Questions nobody waited for any more."""
    audits_forwarded: int = 0
    """Questions sent on because some of their places are elsewhere, once per partition."""
    audits_failed: int = 0
    audit_seconds: float = 0.0
    """Time spent on audits that were answered."""
    audit_records: int = 0
    """Requests of hospitals that were stored."""

    def collect(self) -> Iterator[Metric]:
        """The numbers as Prometheus counters ``fundwatch_worker_<name>_total``."""
        for field in fields(self):
            yield CounterMetricFamily(f"fundwatch_worker_{field.name}", field.name, value=getattr(self, field.name))

    def snapshot(self) -> dict[str, float]:
        """The numbers by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class Gauges(Collector):
    """Values asked for when somebody looks."""

    def __init__(self, ask: Callable[[], dict[str, float]]) -> None:
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        """The values as Prometheus gauges ``fundwatch_worker_<name>``."""
        for name, value in self._ask().items():
            yield GaugeMetricFamily(f"fundwatch_worker_{name}", name, value=value)


def serve_metrics(host: str, port: int, *collectors: Collector) -> Callable[[], None]:
    """Serve ``/metrics`` on a thread of its own; the returned function stops it. Raises OSError when the port is taken."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    server, thread = start_http_server(port, addr=host, registry=registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=2)

    return stop
