"""The models of one group: silent until they know enough, exact over a restart, bound to the River that made them, small."""

from __future__ import annotations

import random

import msgspec
import pytest

from detectors.errors import StateVersionError
from detectors.models.features import FEATURES, NAMES
from detectors.models.peers import WINDOW, PeerReader, Peers, Reading, Stored, load_peers

ENCODED_BYTES = 3_400
"""Of a group at most: eight groups stay below 30 KB."""


def person(rng: random.Random) -> list[float]:
    """Somebody ordinary: every feature in the lower fifth of its range."""
    return [rng.random() * 0.2 * feature.limit for feature in FEATURES.values()]


def learned(count: int, seed: int = 0) -> Peers:
    rng, peers = random.Random(seed), Peers()
    for _ in range(count):
        peers.learn(person(rng))
    return peers


def read(peers: Peers, values: list[float]) -> Reading | None:
    return PeerReader().read(peers.dump(), values)


def over_the_wire(peers: Peers) -> Peers:
    return load_peers(msgspec.msgpack.decode(msgspec.msgpack.encode(peers.dump()), type=Stored))


def test_says_nothing_while_warming_up() -> None:
    assert read(learned(WINDOW - 1), [0.0] * len(NAMES)) is None
    first = read(learned(WINDOW), [feature.limit for feature in FEATURES.values()])
    assert first is not None
    # features have limits now; scores are compared from the second window on
    assert len(first.beyond) == len(NAMES)
    assert first.score <= first.limit == 1


def test_a_burst_stands_out_among_peers() -> None:
    peers = learned(3 * WINDOW)
    burst = person(random.Random(1))
    for name in ("otp_cnt_7d", "otp_cnt", "fixmedins_cnt", "diag_cnt", "mdtrt_inrv_conc"):
        burst[NAMES.index(name)] = FEATURES[name].limit * 0.9
    found = read(peers, burst)
    assert found is not None
    assert found.score > found.limit
    assert {"otp_cnt_7d", "otp_cnt", "fixmedins_cnt", "diag_cnt", "mdtrt_inrv_conc"} <= set(found.beyond)
    rng, reader, stored = random.Random(2), PeerReader(), peers.dump()
    usual = [reader.read(stored, person(rng)) for _ in range(400)]
    assert sum(one is not None and one.score > one.limit for one in usual) < 80


def test_limits_follow_the_traffic() -> None:
    peers, rng = learned(2 * WINDOW), random.Random(3)
    other = [4 * value for value in person(rng)]
    before = read(peers, other)
    for _ in range(2 * WINDOW):
        peers.learn([4 * value for value in person(rng)])
    after = read(peers, other)
    assert before is not None
    assert after is not None
    assert before.score > before.limit
    assert after.score <= after.limit
    assert all(after.limits[name] > 3 * before.limits[name] for name in NAMES)


@pytest.mark.parametrize("count", [1, 4, 5, 6, WINDOW - 1, WINDOW, WINDOW + 3, 2 * WINDOW, 200])
def test_a_restart_changes_no_bit(count: int) -> None:
    stayed = learned(count)
    restarted = over_the_wire(stayed)
    rng = random.Random(9)
    for _ in range(40):
        sample = person(rng)
        assert restarted.learn(sample) == stayed.learn(sample)
        restarted = over_the_wire(restarted)
    assert msgspec.msgpack.encode(restarted.dump()) == msgspec.msgpack.encode(stayed.dump())


@pytest.mark.parametrize(
    "change", [{"river": "0.26.0"}, {"model": "peers-0"}, {"parameters": (25, 15, 64, 5, 0.95, 17)}]
)
def test_refuses_what_another_version_learned(change: dict[str, object]) -> None:
    stored = msgspec.structs.replace(learned(70).dump(), **change)
    with pytest.raises(StateVersionError, match=r"expected a model of River 0\.26\.1"):
        load_peers(stored)


def test_a_reader_keeps_groups_apart() -> None:
    reader, someone = PeerReader(), [value * 3 for value in person(random.Random(4))]
    some, others = learned(130).dump(), learned(140, seed=1).dump()
    expected = [PeerReader().read(stored, someone) for stored in (some, others)]
    assert expected[0] != expected[1]
    for _ in range(2):
        assert [reader.read(stored, someone) for stored in (some, others)] == expected


def test_refuses_damaged_numbers() -> None:
    stored = learned(70).dump()
    with pytest.raises(StateVersionError, match="masses"):
        load_peers(msgspec.structs.replace(stored, masses=stored.masses[:-2]))
    with pytest.raises(StateVersionError, match="masses"):
        load_peers(msgspec.structs.replace(stored, filling=stored.filling[1:]))


@pytest.mark.parametrize("count", [1, 63, 64, 500])
def test_stays_small(count: int) -> None:
    assert len(msgspec.msgpack.encode(learned(count).dump())) < ENCODED_BYTES
