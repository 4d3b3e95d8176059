"""What one message, one person, one place may bring into the state at most, and that what goes beyond is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors import Judge, load_rules
from detectors.person import LONGEST_ID
from schemas.instants import Calendar
from tests.detectors.harness import Drive, decode, drug, event, judge, reference, reversal, visit


@pytest.fixture
def core(tmp_path: Path) -> Judge:
    (tmp_path / "rules.toml").write_text("general.person_cap = 100\ngeneral.place_cap = 120\n")
    return Judge(load_rules(tmp_path / "rules.toml"), reference(), Calendar())


def test_codes_beyond_an_entrys_room_are_dropped_and_counted() -> None:
    core = judge()
    state = core.person("P1", None)
    lines = [drug(f"Z{number:019d}", 7, f"{number:020d}") | {"det_item_fee_sumamt": "2"} for number in range(60)]
    facts = core.settle(state, decode(event(1, "0d 10:00:00", lines=lines)))
    kept = state.entries[0]
    assert kept.items == tuple(f"Z{number:019d}" for number in range(60))
    assert len(kept.supplies) == 60
    assert kept.trace_codes == tuple(f"{number:020d}" for number in range(40))
    assert core.tally.cut == 20
    assert kept.drug_fee == 12_000
    assert [fact.place_id for fact in facts if fact.kind == "drug_code"] == list(kept.trace_codes)


def test_items_go_before_trace_codes() -> None:
    core = judge()
    state = core.person("P1", None)
    lines = [drug("药" * 100, 7, "1" * 100), *(drug(f"{number:0100d}", 7, "2" * 100) for number in range(18))]
    core.settle(state, decode(event(1, "0d 10:00:00", lines=lines)))
    assert (len(state.entries[0].items), state.entries[0].trace_codes, core.tally.cut) == (18, (), 3)
    assert len(state.entries[0].supplies) == 18


def test_an_ordinary_prescription_keeps_all() -> None:
    core = judge()
    state = core.person("P1", None)
    lines = [drug(f"X{number:022d}", 7, f"8{number:019d}") for number in range(40)]
    core.settle(state, decode(visit(1, "0d 10:00:00", lines=lines)))
    assert len(state.entries[0].items) == len(state.entries[0].trace_codes) == 40
    assert core.tally.cut == 0


def test_identifiers_longer_than_any_are_unknown() -> None:
    core = judge()
    state = core.person("P1", None)
    long = "x" * (LONGEST_ID + 1)
    made = event(
        1, "0d 10:00:00", dev_no=long, agnter_certno=long, diagnoses=[{"diag_code": long}], agnter_rlts=long, lines=[drug(long)]
    )  # fmt: skip
    facts = core.settle(state, decode(made))
    kept = state.entries[0]
    assert (kept.terminal_id, kept.agent_id, kept.diagnosis, kept.items) == ("", "", "", ())
    assert facts == []
    assert core.tally.cut == 4


def test_a_reversal_of_an_unknowable_settlement_changes_nothing() -> None:
    core = judge()
    state = core.person("P1", None)
    made = event(1, "0d 10:00:00")
    core.settle(state, decode(made))
    back = reversal(2, "0d 11:00:00", made, orig_setl_id="x" * (LONGEST_ID + 1))
    assert core.settle(state, decode(back)) == []
    assert not state.changed
    assert not state.reversals
    assert core.tally.cut == 1


def test_persons_and_places_keep_the_newest(core: Judge) -> None:
    drive = Drive(core, batch=10)
    drive.run([event(number, f"0d {number // 60:02}:{number % 60:02}:00") for number in range(130)])
    person, terminal = drive.persons["P1"], drive.places["terminal", "A-T1"]
    # a few may wait to be cleared away together
    assert 100 <= len(person.entries) < 108
    assert 120 <= len(terminal.entries) < 128
    assert person.entries[-1].event_id == terminal.entries[-1].event_id == "E00129"
    assert core.tally.over_cap == 260 - len(person.entries) - len(terminal.entries)
