"""What one seed does to a run: the arrival order of the same settlements, and which process is killed when."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import orjson

VICTIMS: Final = {"worker": 6, "kafka": 2, "clickhouse": 2}
"""Who is killed, by weight: the worker holds what is hard to get right."""

JITTER: Final = timedelta(hours=12)
"""How far an arrival moves: with the 22 hours the public file has of itself well inside the lateness of 48 hours."""


@dataclass(frozen=True)
class Kill:
    """``kill -9`` of one child, ``after`` seconds since the last kill's victim was back (the first: since ``ready``)."""

    victim: str
    after: float


@dataclass(frozen=True)
class Disturbance:
    """All that one seed decides."""

    seed: int
    kills: tuple[Kill, ...]

    @classmethod
    def of(cls, seed: int, *, kills: int | None = None, victims: Sequence[str] | None = None) -> Disturbance:
        """The disturbance of a seed; ``kills`` and ``victims`` narrow it where a test wants a certain one."""
        dice = random.Random(f"kills {seed}")
        count = dice.randint(1, 4) if kills is None else kills
        names = list(VICTIMS) if victims is None else list(victims)
        weights = [VICTIMS[name] for name in names]
        drawn = [dice.choices(names, weights)[0] for _ in range(count)]
        # short waits hit start-up and recovery, long ones full flow
        return cls(seed, tuple(Kill(name, dice.choice((0.2, 1.0, 3.0, 6.0)) * dice.random()) for name in drawn))

    def arrivals(self, lines: Sequence[bytes]) -> list[bytes]:
        """The same settlements as they might also have arrived: moved by hours, some twice, some not JSON in between."""
        dice = random.Random(f"arrivals {self.seed}")
        keyed: list[tuple[datetime, bytes]] = []
        now = datetime.min  # noqa: DTZ901  wire times carry no zone
        for line in lines:
            now = max(now, datetime.fromisoformat(orjson.loads(line)["setl_time"]))
            moves = dice.random() < 0.3
            keyed.append((now + JITTER * dice.random() if moves else now, line))
            if dice.random() < 0.01:
                keyed.append((now + JITTER * dice.random(), line))
        keyed.sort(key=lambda pair: pair[0])
        arrived = [line for _, line in keyed]
        for number in range(self.broken):
            arrived.insert(dice.randrange(len(arrived)), b'{"psn_no": "broken-%d", "event_id": ' % number)
        return arrived

    @property
    def broken(self) -> int:
        """How many values among the arrivals are not JSON."""
        return random.Random(f"broken {self.seed}").randint(0, 9)
