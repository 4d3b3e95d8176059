"""Sends many records to chosen partitions, a record batch at a time, and says how far the log then reaches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaProducer

_BATCH_BYTES: Final = 1024 * 1024
_REQUEST_BYTES: Final = 16 * 1024 * 1024
_REQUEST_MS: Final = 30_000

Rows = Iterable[tuple[bytes | None, bytes | None]]


class Sender:
    """A producer of whole record batches: idempotent, in order within a partition, done when all replicas have it."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._producer: Any = None

    async def start(self) -> None:
        """Connect. Raises aiokafka's KafkaConnectionError when no broker answers."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._servers.split(","),
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=_BATCH_BYTES,
            max_request_size=_REQUEST_BYTES,
            request_timeout_ms=_REQUEST_MS,
        )
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnect; what was not awaited may be lost."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def send(self, topic: str, rows: Mapping[int, Rows]) -> dict[int, int]:
        """Send rows (key, value) by partition; returns the offset of the last one of each partition once all are safe.

        Raises aiokafka's KafkaError when the broker did not take them in time: then some may be in the log and some not.
        """
        pending = []
        for partition, some in rows.items():
            batch = self._producer.create_batch()
            for key, value in some:
                if batch.append(key=key, value=value, timestamp=None) is None:
                    pending.append((partition, batch.record_count(), await self._submit(batch, topic, partition)))
                    batch = self._producer.create_batch()
                    batch.append(key=key, value=value, timestamp=None)
            if batch.record_count():
                pending.append((partition, batch.record_count(), await self._submit(batch, topic, partition)))
        results = await asyncio.gather(*(future for _, _, future in pending))
        reached: dict[int, int] = {}
        for (partition, count, _), sent in zip(pending, results, strict=True):
            reached[partition] = max(reached.get(partition, -1), sent.offset + count - 1)
        return reached

    async def _submit(self, batch: Any, topic: str, partition: int) -> Any:
        batch.close()
        return await self._producer.send_batch(batch, topic, partition=partition)
