"""The worker on a real Kafka: the same alerts as the backtest whatever happens to it, every offset committed, nothing lost."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable

import pytest

from detectors.backtest import run as backtest
from schemas.alert import alerts_sha256
from schemas.partitions import key_partition
from schemas.settlement import decode_settlement
from schemas.topics import DEADLETTERS, FACTS, PERSON_STATE, SETTLEMENTS
from streams.app import load_judge
from streams.settings import StreamSettings
from streams.simulator import simulate
from tests.data.broken_inputs import BROKEN
from tests.detectors.models.population import town
from tests.streams.installation import PARTITIONS, Installation

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return list(simulate(persons=1_500, days=40, seed=11).lines())


def _event_ids(values: Iterable[bytes]) -> set[str]:
    return {json.loads(value)["event_id"] for value in values}


def _expected(values: Iterable[bytes]) -> str:
    return backtest(values, load_judge(StreamSettings()), partitions=PARTITIONS).alerts_sha256


@pytest.mark.parametrize("path", ["batch", "plain"])
def test_alerts_equal_the_backtest_and_broken_values_become_dead_letters(
    install: Callable[..., Installation], lines: list[bytes], path: str
) -> None:
    here = install(worker_path=path)
    worker = here.start()
    here.wait(lambda: here.assignments(worker) > 0)
    mixed = [*lines]
    for number, (_, value, _) in enumerate(BROKEN):
        mixed.insert(number * (len(lines) // len(BROKEN)), value)
    here.publish(mixed)
    here.wait(here.settled)
    assert here.stop(worker) == 0
    assert alerts_sha256(here.alerts()) == _expected(lines)
    assert {event_id for (event_id,) in here.stored("settlement")} == _event_ids(lines)
    assert sorted(field for (field,) in here.stored("dead")) == sorted(field for _, _, field in BROKEN)
    assert len(list(here.values(DEADLETTERS))) == len(BROKEN)


def test_kill_9_in_the_middle_of_flushes_changes_nothing(
    install: Callable[..., Installation], lines: list[bytes]
) -> None:
    here = install()
    worker = here.start(die_at=2, instance="one")
    here.wait(lambda: here.assignments(worker) > 0)
    here.publish(lines)
    for die_at in (3, 1, 4):
        assert worker.wait(90) == -signal.SIGKILL, here.log(worker)[-4_000:]
        assert not here.settled()
        worker = here.start(die_at=die_at, instance="one")
    assert worker.wait(90) == -signal.SIGKILL
    worker = here.start(instance="one")
    here.wait(here.settled)
    assert here.stop(worker) == 0
    assert alerts_sha256(here.alerts()) == _expected(lines)
    assert {event_id for (event_id,) in here.stored("settlement")} == _event_ids(lines)


def test_an_alert_published_before_a_kill_is_withdrawn_when_its_ground_is_taken_back_after_it(
    install: Callable[..., Installation],
) -> None:
    visits = [_visit(day) for day in range(1, 9)]
    here = install()
    worker = here.start(die_at=1)
    here.wait(lambda: here.assignments(worker) > 0)
    here.publish(visits)
    assert worker.wait(90) == -signal.SIGKILL
    published = here.alerts()
    assert published
    # were the visits judged together with their reversals, nobody would know of the alert
    reversals = [_reversal(day) for day in range(1, 9)]
    here.publish(reversals)
    worker = here.start()
    here.wait(here.settled)
    assert here.stop(worker) == 0
    last = max(here.alerts(), key=lambda alert: alert.revision)
    assert last.withdrawn
    assert alerts_sha256(here.alerts()) == _expected([*visits, *reversals])


def test_partitions_that_move_between_workers_change_nothing(
    install: Callable[..., Installation], lines: list[bytes]
) -> None:
    here = install()
    third = len(lines) // 3
    first = here.start()
    here.wait(lambda: here.assignments(first) > 0)
    here.publish(lines[:third])
    second = here.start()
    here.wait(lambda: here.assignments(second) > 0)
    here.publish(lines[third : 2 * third])
    first.kill()
    here.publish(lines[2 * third :])
    here.wait(lambda: here.assignments(second) > 1)
    last = here.start()
    here.wait(lambda: here.assignments(last) > 0)
    here.publish(lines[:50])
    here.wait(here.settled)
    assert here.stop(second) == 0
    assert here.stop(last) == 0
    assert alerts_sha256(here.alerts()) == _expected(lines)
    assert {event_id for (event_id,) in here.stored("settlement")} == _event_ids(lines)


def test_what_persons_teach_each_other_survives_kills_and_moves(install: Callable[..., Installation]) -> None:
    """Bit for bit: the models in the changelog are those of an undisturbed run, and what they find is found."""
    lines = [json.dumps(made).encode() for made in town(6, persons=240)]
    undisturbed = backtest(lines, load_judge(StreamSettings()), partitions=PARTITIONS)
    assert any(alert.detector == "frequent_visits.unusual_pattern" for alert in undisturbed.alerts)
    here = install()
    half = len(lines) // 2
    worker = here.start()
    here.wait(lambda: here.assignments(worker) > 0)
    here.publish(lines[:half])
    here.wait(lambda: len(here.stored("settlement")) > half // 3)
    worker.kill()
    first = here.start()
    here.wait(lambda: here.assignments(first) > 0)
    second = here.start()
    here.wait(lambda: here.assignments(second) > 0)
    here.publish(lines[half:])
    first.kill()
    here.wait(here.settled)
    assert here.stop(second) == 0
    assert alerts_sha256(here.alerts()) == undisturbed.alerts_sha256
    assert {key: row for key, row in here.rows(PERSON_STATE).items() if key.startswith(b"cohort:")} == _taught(lines)


def _taught(lines: Iterable[bytes]) -> dict[bytes, bytes]:
    """The rows of the models after an undisturbed run, by key."""
    judge, persons = load_judge(StreamSettings()), {}
    cohorts = [judge.cohort(persons.__getitem__) for _ in range(PARTITIONS)]
    for line in lines:
        settlement = decode_settlement(line)
        person_id = settlement.person_id
        if person_id not in persons:
            cohort = cohorts[key_partition(person_id.encode(), PARTITIONS)]
            persons[person_id] = judge.person(person_id, None, cohort)
        judge.settle(persons[person_id], settlement)
    return {
        b"cohort:%d:%s" % (partition, name.encode()): row
        for partition, cohort in enumerate(cohorts)
        if cohort is not None
        for name, row in cohort.rows(whole=True).items()
    }


def test_nothing_is_committed_while_the_store_is_away_and_all_of_it_when_it_is_back(
    install: Callable[..., Installation], lines: list[bytes]
) -> None:
    here = install()
    (here.folder / "away").touch()
    worker = here.start()
    here.wait(lambda: here.assignments(worker) > 0)
    here.publish(lines)
    here.wait(lambda: "store.unavailable" in here.log(worker))
    assert not any(here.committed(SETTLEMENTS))
    assert not any(here.ends(FACTS)) or worker.poll() is None
    (here.folder / "away").unlink()
    here.wait(here.settled)
    assert here.stop(worker) == 0
    assert alerts_sha256(here.alerts()) == _expected(lines)


def _visit(day: int) -> bytes:
    return json.dumps(
        {
            "event_id": f"E{day}", "event_type": "SETTLE", "setl_id": f"S{day}", "mdtrt_id": f"M{day}", "psn_no": "P1", "med_type": "11",
            "setl_time": f"2026-03-02 {8 + day:02}:00:00", "fixmedins_code": f"H{day}", "medfee_sumamt": "100.00",
            "fund_pay_sumamt": "60.00",
        }
    ).encode()  # fmt: skip


def _reversal(day: int) -> bytes:
    return json.dumps(
        {
            "event_id": f"R{day}", "event_type": "REVERSE", "orig_setl_id": f"S{day}", "setl_id": f"SR{day}", "mdtrt_id": f"M{day}",
            "psn_no": "P1", "med_type": "11", "setl_time": f"2026-03-02 {8 + day:02}:30:00", "fixmedins_code": f"H{day}",
            "medfee_sumamt": "-100.00", "fund_pay_sumamt": "-60.00",
        }
    ).encode()  # fmt: skip
