"""What several rules find of one subject at one time is one story: each raises the score of the others, and only the score."""

from __future__ import annotations

import pytest

from detectors.episodes import LINK_SPAN, WITNESS_SHARE, joined_score
from detectors.windows import Memo
from schemas.instants import DAY
from tests.detectors.harness import Drive, drug, judge, reversal, visit


def found(detector: str, score: float, *, raised_at: int = 0, detail: str = "", muted: bool = False) -> Memo:
    return Memo((detector, detail, 1), 0, raised_at, score, muted)


OWN = found("a.one", 0.6)


@pytest.mark.parametrize(
    ("others", "joined"),
    [
        ([], 0.6),
        ([found("a.two", 0.8)], 1 - 0.4 * (1 - WITNESS_SHARE * 0.8)),
        ([found("a.two", 0.8), found("a.two", 0.5, detail="G2")], 1 - 0.4 * (1 - WITNESS_SHARE * 0.8)),
        ([found("a.two", 0.8), found("a.three", 0.5)], 1 - 0.4 * (1 - WITNESS_SHARE * 0.8) * (1 - WITNESS_SHARE * 0.5)),
        ([found("a.one", 0.8)], 0.6),
        ([found("a.one", 0.8, detail="G2")], 1 - 0.4 * (1 - WITNESS_SHARE * 0.8)),
        ([found("a.two", 0.8, raised_at=LINK_SPAN)], 1 - 0.4 * (1 - WITNESS_SHARE * 0.8)),
        ([found("a.two", 0.8, raised_at=LINK_SPAN + 1)], 0.6),
        ([found("a.two", 0.4, muted=True)], 0.6),
        ([found("a.two", 0.0)], 0.6),
    ],
)
def test_who_counts_as_a_witness(others: list[Memo], joined: float) -> None:
    assert joined_score(OWN, [OWN, *others]) == pytest.approx(joined, abs=1e-4)


def test_a_muted_finding_stays_low() -> None:
    assert joined_score(found("a.one", 0.2, muted=True), [found("a.two", 0.9)]) == 0.2


@pytest.mark.parametrize("batch", [1, 1000])
def test_the_second_finding_raises_the_first_and_its_end_lowers_it(batch: int) -> None:
    visits = [visit(number, f"{number}d 10:00:00") for number in range(7)]
    alone = Drive(judge(), batch=batch).run(visits).of("rolling_count")[0]
    elsewhere = [
        visit(10 + number, f"6d 1{number}:00:00", fixmedins_code="BCDE"[number], lines=[drug("X3", 1)])
        for number in range(4)
    ]
    drive = Drive(judge(), batch=batch).run([*visits, *elsewhere])
    both = drive.of("rolling_count")[0]
    assert drive.of("institutions_per_day")
    only_more_visits = [made | {"fixmedins_code": "A"} for made in elsewhere]
    more = Drive(judge(), batch=batch).run([*visits, *only_more_visits]).of("rolling_count")[0]
    assert both.score > more.score > alone.score
    assert both.light == more.light

    drive.run([reversal(number, "6d 09:00:00", made) for number, made in enumerate(elsewhere)])
    assert not drive.of("institutions_per_day")
    assert drive.of("rolling_count")[0].score == alone.score


def test_a_finding_of_another_time_is_another_story() -> None:
    visits = [visit(number, f"{number}d 10:00:00") for number in range(7)]
    later = [
        visit(10 + number, f"{60 + LINK_SPAN // DAY}d 1{number}:00:00", fixmedins_code="BCDE"[number])
        for number in range(4)
    ]
    alone = Drive(judge()).run(visits).of("rolling_count")[0]
    assert Drive(judge()).run([*visits, *later]).of("rolling_count")[0].score == alone.score
