"""What is packed comes back exactly, whatever ids look like and in whatever order entries came and went."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors.packing import FIRST, LARGEST, Packed, Rows
from detectors.person import Visit
from detectors.place import Sale
from detectors.windows import Entry
from schemas.instants import DAY, Calendar

PATIENT = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine draws slowly; that says nothing about what is packed."""
INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
INSTANTS = st.one_of(st.integers(946_656_000, 4_102_416_000), INTEGERS)
MARKS = st.text("\0\1\2é٣²019ABM", max_size=6)
"""Texts of the characters that packing uses itself, and of digits that are none to it."""
DIGITS = st.text("0123456789", max_size=24)
TRACES = st.builds(
    str.__add__, st.sampled_from(["8846122", "8300073", "0123456"]), st.from_regex("[0-9]{13}", fullmatch=True)
)
LONG = st.text(max_size=128)


def clock(at: int) -> str:
    """Beijing time as national ids carry it."""
    return Calendar("Asia/Shanghai").moment(at).strftime("%Y%m%d%H%M%S") if 946_656_000 <= at < 4_102_416_000 else "?"


def ids(*parts: str) -> st.SearchStrategy[str]:
    """Texts of any kind, and such as hold the parts."""
    whole = st.sampled_from([*parts, "-T1", "M", "\1", "\0"])
    joined = st.lists(st.one_of(whole, whole, DIGITS, MARKS), max_size=4).map("".join)
    return st.one_of(DIGITS, MARKS, LONG, joined)


@st.composite
def entries(draw: st.DrawFn, kind: type[Entry]) -> Entry:
    """Entries as a core may send them, up to what no core would."""
    at = draw(INSTANTS)
    institution = draw(ids("P32068215482"))
    settlement = draw(ids("S"))
    event = st.tuples(st.just(institution), st.sampled_from([clock(at), clock(at)[:8], clock(at)[:9]]), DIGITS)
    drawn: dict[str, Any] = {
        "at": at,
        "event_id": draw(st.one_of(event.map("".join), ids(institution, clock(at)))),
        "settlement_id": settlement,
        "institution_id": institution,
        "terminal_id": draw(ids(institution)),
        "visit_id": draw(ids(settlement, "M" + settlement)),
        "supplies": tuple(draw(st.lists(st.one_of(st.integers(0, 90).map(lambda n: n * DAY), INTEGERS), max_size=3))),
        "fee": (fee := draw(INTEGERS)),
        "drug_fee": draw(st.sampled_from([fee, 0, 500])),
        "watched_fee": draw(st.sampled_from([fee, 0, 500])),
    }
    for field in msgspec.structs.fields(kind):
        if field.name not in drawn:
            drawn[field.name] = draw(
                INTEGERS
                if field.type is int
                else ids(institution)
                if field.type is str
                else st.lists(st.one_of(DIGITS, TRACES, TRACES, LONG), max_size=4).map(tuple)
            )
    return kind(**{field: drawn[field] for field in kind.__struct_fields__})


@PATIENT
@pytest.mark.parametrize("kind", [Entry, Visit, Sale])
@given(data=st.data())
def test_any_entry_comes_back(kind: type[Entry], data: st.DataObject) -> None:
    made = data.draw(st.lists(entries(kind), max_size=3))
    rows = Rows(kind)
    assert rows.unpack(len(made), [rows.pack(made)]) == made


def visit(number: int, **fields: Any) -> Visit:
    """A purchase with ids of the national form, one a day."""
    at = 1_750_000_000 + number * DAY
    drawn = {
        "at": at, "event_id": f"P32068215482{clock(at)}{number:010d}", "settlement_id": f"{782834970966997 + number * 7919}",
        "institution_id": "P32068215482", "fund": 6949, "flags": 2, "items": ("G001",), "visit_id": "", "terminal_id": "P32068215482-T1",
        "agent_id": "", "supplies": (7 * DAY,), "trace_codes": (f"88461227{number * 999_983:012d}",), "fee": 11582, "drug_fee": 11582,
        "watched_fee": 0, "diagnosis": "E11.9", "began": 0,
    } | fields  # fmt: skip
    return Visit(**drawn)


VISITS = Rows(Visit)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"event_id": f"P32068215482{clock(1_750_000_000)[:8]}2359590001"},  # told later than settled
        {"event_id": "P32068215482" + clock(1_750_000_000)},
        {"event_id": "320682154820001"},
        {"settlement_id": "000000000000001"},
        {"settlement_id": "٣٣٣"},
        {"settlement_id": "9" * 19, "agent_id": "320682199001011234"},
        {"visit_id": "M00782834970966997"},
        {"terminal_id": "\1-T1"},
        {"terminal_id": "\0", "visit_id": "\0\1"},
        {"supplies": (7 * DAY + 1, DAY)},
        {"supplies": (0, 3 * DAY)},
        {"trace_codes": ("0" * 20, "9" * 20, "9" * 21, "", "8846122" + "0" * 13, "9" * 20)},
        {
            "trace_codes": (
                "88461227218084440730",
                "88461220000000000001",
                "83000738281928393566",
                "88461229999999999999",
            )
        },
        {"fee": 5, "drug_fee": 3, "watched_fee": 3},
        {"fee": 3, "drug_fee": 0, "watched_fee": 3},
        {"at": 1 << 60},
    ],
)
def test_an_odd_entry_comes_back(fields: dict[str, Any]) -> None:
    made = visit(0, **fields)
    assert VISITS.unpack(1, [VISITS.pack([made])]) == [made]


def test_national_ids_are_short() -> None:
    plain = msgspec.msgpack.encode(visit(0))
    assert len(VISITS.pack([visit(0)])) < 0.6 * len(plain)


def sizes(packed: Packed) -> list[int]:
    return [block.count for block in packed.blocks]


def test_blocks_grow_and_are_kept() -> None:
    packed, made = Packed([]), [visit(number) for number in range(3 * LARGEST)]
    for count, held in {
        7: [],
        8: [8],
        20: [16],
        36: [32],
        60: [32, 16, 8],
        64: [64],
        3 * LARGEST - 1: [64, 64, 32, 16, 8],
    }.items():
        largest = [block for block in packed.blocks if block.count == LARGEST]
        packed.catch_up(made[:count], VISITS)
        assert sizes(packed) == held
        assert packed.loose == count % FIRST
        assert packed.unpack(VISITS) == made[:count]
        assert all(known is block for known, block in zip(largest, packed.blocks, strict=False))
    at_once = Packed([])
    at_once.catch_up(made[:-1], VISITS)
    assert at_once == packed


def test_a_late_entry_rebuilds_its_block_only() -> None:
    made = [visit(number) for number in range(2 * LARGEST + 3)]
    late = [*made[:70], *made[71:]]
    packed = Packed([])
    packed.catch_up(late, VISITS)
    first, second = packed.blocks[0].rows, packed.blocks[1].rows
    packed.inserted(70)
    packed.catch_up(made, VISITS)
    assert packed.blocks[0].rows is first
    assert packed.blocks[1].rows != second
    assert packed.unpack(VISITS) == made


def test_a_block_that_grew_large_is_parted() -> None:
    made = [visit(number) for number in range(3 * LARGEST)]
    packed = Packed([])
    packed.catch_up(made[:LARGEST], VISITS)
    for _ in made[LARGEST:]:
        packed.inserted(1)
    packed.catch_up(made, VISITS)
    assert sizes(packed) == [LARGEST] * 3
    assert packed.unpack(VISITS) == made


def test_dropping_trims_the_oldest_block_only() -> None:
    made = [visit(number) for number in range(LARGEST + 20)]
    packed = Packed([])
    packed.catch_up(made, VISITS)
    last = packed.blocks[-1].rows
    packed.dropped(60, ())
    assert sizes(packed) == [4, 16]
    assert packed.unpack(VISITS) == made[60:]
    packed.dropped(10, ())
    assert sizes(packed) == [10]
    assert packed.blocks[-1].rows != last
    assert packed.unpack(VISITS) == made[70:]
    packed.dropped(14, ())
    packed.catch_up(made[84:], VISITS)
    assert packed.unpack(VISITS) == made[84:]


def test_claimed_entries_stay_and_small_blocks_join() -> None:
    made = [visit(number) for number in range(4 * LARGEST)]
    packed = Packed([])
    packed.catch_up(made, VISITS)
    last = packed.blocks[-1].rows
    kept = list(range(0, 3 * LARGEST, 8))
    packed.dropped(3 * LARGEST, kept)
    assert sizes(packed) == [3 * LARGEST // 8, LARGEST]
    assert packed.blocks[-1].rows is last
    assert packed.unpack(VISITS) == [*(made[index] for index in kept), *made[3 * LARGEST :]]


@PATIENT
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "late", "drop", "claim", "dump"]), st.integers(0, 200)), max_size=40
    )
)
def test_whatever_happens_to_a_ledger(steps: list[tuple[str, int]]) -> None:
    held: list[Visit] = []
    packed, number = Packed([]), 0
    for step, amount in steps:
        if step == "add":
            held += [visit(number + more) for more in range(amount)]
            number += amount
        elif step == "late" and held:
            index = amount % len(held)
            held.insert(index, visit(number))
            packed.inserted(index)
            number += 1
        elif step in ("drop", "claim"):
            old = min(amount, len(held))
            kept = [index for index in range(old) if step == "claim" and (index * 7 + amount) % 3]
            held[:old] = [held[index] for index in kept]
            packed.dropped(old, kept)
        elif step == "dump":
            packed.catch_up(held, VISITS)
            assert packed.unpack(VISITS) == held
    packed.catch_up(held, VISITS)
    assert packed.unpack(VISITS) == held
