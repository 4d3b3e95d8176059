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
    """``kill -9`` of one child, ``delay`` seconds after the share ``at`` of the arrivals was handed to the demo."""

    victim: str
    at: float
    delay: float


@dataclass(frozen=True)
class Disturbance:
    """All that one seed decides; kills in order of ``at``."""

    seed: int
    kills: tuple[Kill, ...]

    @classmethod
    def of(cls, seed: int, *, victims: Sequence[str] | None = None) -> Disturbance:
        """The disturbance of a seed; ``victims`` names who is killed, in this order, where a test wants it so."""
        dice = random.Random(f"kills {seed}")
        drawn = dice.choices(list(VICTIMS), list(VICTIMS.values()), k=dice.randint(1, 4))
        chosen = drawn if victims is None else list(victims)
        places = sorted(dice.random() for _ in chosen)
        # short delays hit what has just begun, long ones the flush behind it or the recovery after the kill before
        delays = [dice.choice((0.05, 0.3, 1.0, 3.0)) * dice.random() for _ in chosen]
        return cls(seed, tuple(map(Kill, chosen, places, delays)))

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
