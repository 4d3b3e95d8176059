"""The states of one kind of subject: decoded objects in front of the bytes of a Faust table, and what a restart must redo."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, Protocol, TypeVar

import faust
import msgspec
from faust.types import TP

from streams.batches import BatchApp

CUT_VERSION: Final = 1


class Dumped(Protocol):
    """A state that knows its own bytes."""

    def dump(self) -> bytes:
        """The state as bytes."""


StateT = TypeVar("StateT", bound=Dumped)


class Companions(Protocol):
    """What the subjects of a partition share, kept in the same table and saved in the same flush as they are."""

    def rows(self, partition: int) -> dict[bytes, bytes]:
        """The rows that changed since they were last asked for."""

    def forget(self) -> None:
        """Drop everything that is not in the table."""


class Cut(msgspec.Struct, array_like=True, frozen=True):
    """What one flush covers of one partition, written down before the flush publishes alerts.

    It covers the records up to offset ``reached``; of facts only those before the instant ``until``. A worker that takes the
    partition over after a crash first redoes exactly this and only then goes on: were the redone events judged together with
    later ones, an alert that was published could be neither repeated nor withdrawn, because the state does not know of it.
    """

    schema: int
    reached: int
    until: int


_encode_cut = msgspec.msgpack.Encoder().encode
_decode_cut = msgspec.msgpack.Decoder(Cut).decode


class States(Generic[StateT]):
    """States by subject. Between two flushes the decoded objects run ahead; the table holds what is safe.

    ``table`` is an ordinary Faust table of raw bytes: Faust assigns and restores it. Its rows are written to its changelog by the
    flush, many in one record batch, in the form Faust's recovery reads; :meth:`saved` then puts them into the table.
    """

    def __init__(
        self,
        app: BatchApp,
        table: faust.Table,
        load: Callable[[str, bytes | None, int], StateT],
        *,
        prefix: str = "",
        limit: int,
    ) -> None:
        self.changelog: str = table.changelog_topic_name
        self._app = app
        self._table = table
        self._load = load
        self._prefix = prefix
        self._limit = limit
        self._cache: dict[str, StateT] = {}
        self._leaving: Mapping[int, dict[bytes, bytes]] = {}
        self.companions: Companions | None = None

    def get(self, key: str, partition: int) -> StateT:
        """The state of a subject that lives in ``partition``; a new one if it was never seen."""
        state = self._cache.get(key)
        if state is None:
            state = self._cache[key] = self._loaded(key, partition)
        return state

    def look(self, key: str, partition: int) -> StateT:
        """As :meth:`get`, for who changes nothing: what was not decoded already is not kept, so strangers push nobody out."""
        state = self._cache.get(key)
        return self._loaded(key, partition) if state is None else state

    def shared_rows(self, partition: int) -> dict[bytes, bytes]:
        """What the subjects of a partition share, as rows of the table; :meth:`dump` puts theirs behind it.

        Should only the beginning arrive, it has seen settlements that a subject has not, and sees them again; the other way round it
        would miss them.
        """
        return {} if self.companions is None else self.companions.rows(partition)

    def dump(self, key: str, state: StateT, rows: dict[bytes, bytes]) -> None:
        """Put a touched state among the rows; it becomes the youngest of the cache."""
        rows[self._row(key)] = state.dump()
        self._cache[key] = self._cache.pop(key, state)

    def leave(self, rows: Mapping[int, dict[bytes, bytes]], dirty: Iterable[Mapping[str, StateT]]) -> None:
        """Remember rows that are on their way into the table, and let the oldest objects go that are not dirty."""
        self._leaving = rows
        surplus = len(self._cache) - self._limit
        if surplus > 0:
            kept = set().union(*dirty)
            for key in [key for key in self._cache if key not in kept][:surplus]:
                del self._cache[key]

    def row(self, key: bytes) -> bytes | None:
        """A row as it is in the table."""
        row: bytes | None = self._table.data.data.get(key)
        return row

    def saved(self, partition: int, rows: Mapping[bytes, bytes], last_offset: int) -> None:
        """Rows have reached the changelog, up to ``last_offset`` of it."""
        store = self._table.data
        store.data.update(rows)
        store._key_partition.update(dict.fromkeys(rows, partition))
        # so that a rebalance that leaves this partition here does not read all of it again
        self._app.tables.recovery.active_offsets[TP(self.changelog, partition)] = last_offset

    def forget(self) -> None:
        """Drop everything that is not in the table: the events behind it will come again."""
        self._cache.clear()
        self._leaving = {}
        if self.companions is not None:
            self.companions.forget()

    def cut_row(self, partition: int, reached: int, until: int) -> tuple[bytes, bytes]:
        """The row that announces a flush."""
        return _cut_key(partition), _encode_cut(Cut(CUT_VERSION, reached, until))

    def cut(self, partition: int) -> Cut | None:
        """The last announced flush of a partition."""
        data = self._table.data.data.get(_cut_key(partition))
        return None if data is None else _decode_cut(data)

    def __len__(self) -> int:
        return len(self._table.data.data)

    def _loaded(self, key: str, partition: int) -> StateT:
        row = self._row(key)
        data = self._leaving.get(partition, {}).get(row)
        if data is None:
            data = self._table.data.data.get(row)
        return self._load(key, data, partition)

    def _row(self, key: str) -> bytes:
        return (self._prefix + key).encode()


def _cut_key(partition: int) -> bytes:
    return b"cut:%d" % partition


def raw_table(app: BatchApp, name: str, partitions: int) -> faust.Table:
    """An in-memory Faust table of raw bytes whose changelog is the topic ``name`` (which exists already)."""
    changelog: Any = app.topic(
        name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw",
        partitions=partitions, acks=False, internal=True, allow_empty=True, maxsize=131_072,
    )  # fmt: skip
    return app.Table(name, key_type=bytes, value_type=bytes, partitions=partitions, changelog_topic=changelog)
