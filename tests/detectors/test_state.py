"""States as bytes: all of a ledger comes back, what is damaged or of another version is refused, full blocks are packed once."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors import PersonState, StateVersionError
from detectors.state import STATE_VERSION
from detectors.usual import Usual
from detectors.windows import Memo
from schemas.instants import DAY
from schemas.topics import PERSON_STATE, Topics
from tests.detectors.harness import START, decode, drug, event, judge, reversal
from tests.detectors.test_packing import visit

CORE = judge()
KEPT = ("entries", "reversals", "memos", "dirty", "usual")


def person(count: int, **parts: Any) -> PersonState:
    """A person with so many purchases, one a day."""
    state = CORE.person("P1", None)
    state.entries = [visit(number) for number in range(count)]
    for name, part in parts.items():
        setattr(state, name, part)
    return state


@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 36, 200])
@pytest.mark.parametrize(
    "parts",
    [
        {},
        {
            "reversals": {"S1": 1_750_000_000},
            "memos": {"A": Memo(("a.b", "", 3), 5, 6, 0.75, True, 2, b"12345678")},
            "dirty": {("a.b", f"G{number}", 4) for number in range(20)},
            "usual": {"a.b": Usual(20_000, {"": {20_000: 3}, "G1": {20_001: 1}})},
        },
    ],
)
def test_everything_comes_back(count: int, parts: dict[str, Any]) -> None:
    state = person(count, **parts)
    data = state.dump()
    for known in (state, CORE.person("P1", data)):
        assert {name: getattr(known, name) for name in KEPT} == {name: getattr(state, name) for name in KEPT}
        assert known.dump() == data


def test_a_place_comes_back() -> None:
    state = CORE.person("P1", None)
    made = event(1, START, lines=[drug("X1", 7, "88461227218084440730")], agnter_certno="AG", agnter_rlts="9")
    places = {}
    for wire in (made, reversal(2, START, made)):
        for fact in CORE.settle(state, decode(wire)):
            place = places.setdefault((fact.kind, fact.place_id), CORE.place(fact.kind, fact.place_id, None))
            CORE.witness(place, fact)
    assert {kind for kind, _ in places} == {"terminal", "institution", "agent", "drug_code"}
    for key, place in places.items():
        again = CORE.place(*key, place.dump())
        assert (again.entries, again.reversals) == (place.entries, place.reversals)
        assert again.entries


@pytest.mark.parametrize("data", [b"", bytes([STATE_VERSION - 1]) + b"\x90", b"\x93\x90"])
def test_other_versions_are_refused(data: bytes) -> None:
    with pytest.raises(StateVersionError, match=f"expected state of version {STATE_VERSION}, got"):
        CORE.person("P1", data)


DUMPED = person(20, reversals={"S1": 1}).dump()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, len(DUMPED) - 1), st.integers(1, 255))
def test_any_damaged_byte_is_noticed(index: int, change: int) -> None:
    damaged = bytearray(DUMPED)
    damaged[index] ^= change
    with pytest.raises(StateVersionError, match="they are damaged"):
        CORE.person("P1", bytes(damaged))


@given(st.integers(1, len(DUMPED) - 1))
def test_a_cut_is_noticed(end: int) -> None:
    with pytest.raises(StateVersionError, match="they are damaged"):
        CORE.person("P1", DUMPED[:end])


def test_full_blocks_are_packed_once_also_after_a_restart() -> None:
    state = person(70)
    state = CORE.person("P1", state.dump())
    assert state.packed is not None
    block = state.packed.blocks[0]
    state.entries += [visit(number) for number in range(70, 80)]
    assert CORE.person("P1", state.dump()).entries == state.entries
    assert state.packed.blocks[0] is block


def shopper(count: int, seed: int) -> PersonState:
    """A person with so many purchases at a few pharmacies, ids of the national form, serials and prices random."""
    draw = random.Random(seed)
    state = person(0)
    for number in range(count):
        pharmacy = f"P32068{draw.randrange(6):06d}"
        fee = draw.randrange(2_000, 15_000)
        at = 1_750_000_000 + number * 7 * DAY + draw.randrange(50_000)
        made = visit(
            number,
            at=at,
            event_id=f"{pharmacy}{CORE.calendar.moment(at):%Y%m%d%H%M%S}{draw.randrange(10**10):010d}",
            settlement_id=str(draw.randrange(10**14, 10**15)),
            institution_id=pharmacy,
            terminal_id=f"{pharmacy}-T{draw.randrange(3)}",
            fund=fee * 6 // 10,
            items=(f"G{draw.randrange(12):03d}",),
            supplies=(draw.randrange(1, 15) * DAY,),
            trace_codes=(str(draw.randrange(10**19, 10**20)),),
            fee=fee,
            drug_fee=fee,
            watched_fee=draw.choice([0, fee]),
        )
        state.entries.append(made)
    return state


def test_a_year_of_settlements_takes_two_kilobytes() -> None:
    sizes = [len(shopper(36, seed).dump()) for seed in range(20)]
    assert sum(sizes) / len(sizes) < 2_048


def test_a_full_ledger_of_ordinary_settlements() -> None:
    assert len(shopper(CORE.book.person_cap, 1).dump()) < 64_000


def test_the_largest_person_fits_a_message() -> None:
    core, draw = judge(), random.Random(2)

    def longest() -> str:
        return "".join(chr(draw.randrange(0x20000, 0x2A6DF)) for _ in range(128))  # four bytes a character

    codes = [longest() for _ in range(20)]
    state = core.person("P1", None)
    for number in range(core.book.person_cap + 10):
        at = START + timedelta(minutes=number)
        made = event(
            number, at, event_id=longest(), setl_id=longest(), mdtrt_id=longest(), fixmedins_code=longest(), med_type="11",
            dev_no=longest(), agnter_certno=longest(), diagnoses=[{"diag_code": longest()}],
            lines=[drug(draw.choice(codes), 7, longest()) for _ in range(9)],
        )  # fmt: skip
        core.settle(state, decode(made))
        core.settle(state, decode(reversal(number, at, made, event_id=longest(), orig_setl_id=longest())))
        state.dirty = None
    core.review(state)
    assert len(state.entries) == core.book.person_cap
    assert core.tally.over_cap == 10
    assert core.tally.cut > 1_000
    topic = next(topic for topic in Topics().all() if topic.name == PERSON_STATE)
    data = state.dump()
    assert 2_000_000 < len(data) < int(topic.config["max.message.bytes"])
    assert core.person("P1", data).entries == state.entries
