"""Would other episodes be found as well: the labelled ones of a file replaced by random others, several times over.

    python -m benchmarks.variants FILE --institutions CSV --drugs CSV [--truth FILE] [--seeds 1 2 3] [--per-kind 12] [--keep FOLDER]

Prints recall per kind and per range of the parameters, what is missed and by how much, and which detectors speak on the background.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from benchmarks.background import Background
from benchmarks.detection import table, truth_beside, without
from benchmarks.planting import KINDS, plant
from detectors.backtest import open_settlements
from detectors.backtest import run as judge_all
from detectors.judge import Judge
from detectors.parameters import load_rules
from detectors.quality import BUDGETS, LIGHTS, Episode, Quality, measure, read_truth
from detectors.reference import Reference
from schemas.alert import Alert
from schemas.instants import Calendar

FINDS: Final = 0.8
"""A range of parameters in which less than this is found at the larger budget is named among the weak ones."""


class Standing(NamedTuple):
    """The best score an alert that holds enough of an episode has (None: there is no such alert), and who raised it."""

    episode: Episode
    score: float | None
    detector: str


@dataclass(frozen=True)
class Outcome:
    """One seed's run."""

    seed: int
    at: dict[float | None, Quality]
    missed: list[Standing]
    """Fraud not found at the larger budget."""
    flagged: list[Standing]
    """Look-alikes flagged by any alert."""
    cut: float
    """The score below which the larger budget looks at nothing."""
    background: dict[str, tuple[int, int]]
    """Background alerts per detector: all, and those above the cut of the larger budget."""


def vary(
    file: Path, truth: Path, institutions: Path, drugs: Path, rules: Path | None, off: frozenset[str],
    per_kind: int, kinds: Sequence[str], keep: Path | None, seed: int,
) -> Outcome:  # fmt: skip
    """Plant one seed's episodes into the background of a file, judge and measure."""
    labelled = read_truth(truth)
    background = Background.read(open_settlements(file), labelled, institutions, drugs)
    planted = plant(background, seed=seed, per_kind=per_kind, kinds=kinds)
    lines: Iterable[bytes] = planted.into(open_settlements(file), background.labelled)
    if keep is not None:
        lines = _kept(lines, planted.episodes, keep, f"variant-{seed}", institutions, drugs)
    judge = Judge(without(load_rules(rules), off), Reference.load(institutions, drugs), Calendar())
    watch = frozenset(event for episode in planted.episodes for event in episode.event_ids)
    result = judge_all(lines, judge, watch=watch)
    at: dict[float | None, Quality] = {}
    for budget in (*BUDGETS, None):
        at[budget] = measure(
            planted.episodes, result.alerts, events=result.settlements, first_times=result.first_times, budget=budget
        )
    cut = _cut(result.alerts, watch, at[BUDGETS[-1]])
    standings = _standings(planted.episodes, result.alerts)
    return Outcome(
        seed=seed,
        at=at,
        missed=[one for one in standings if one.episode.fraud and one.episode.episode_id not in at[BUDGETS[-1]].caught],
        flagged=[one for one in standings if one.episode.episode_id in at[None].flagged],
        cut=cut,
        background=_background(result.alerts, watch, cut),
    )


def _kept(
    lines: Iterable[bytes], episodes: list[Episode], folder: Path, name: str, institutions: Path, drugs: Path
) -> Iterator[bytes]:
    """The lines, written to a file with its truth and reference files beside it as they pass."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.truth.jsonl").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in episodes))
    shutil.copy(institutions, folder / f"{name}.institutions.csv")
    shutil.copy(drugs, folder / f"{name}.drugs.csv")
    with (folder / f"{name}.jsonl").open("wb") as out:
        for line in lines:
            out.write(line + b"\n")
            yield line


def _cut(alerts: list[Alert], labelled: frozenset[str], quality: Quality) -> float:
    """The score below which nothing is looked at any more; 0 where the budget is not used up."""
    scores = sorted((alert.score for alert in alerts if alert.light in LIGHTS), reverse=True)
    return scores[quality.alerts] if quality.alerts < len(scores) else 0.0


def _standings(episodes: list[Episode], alerts: list[Alert]) -> list[Standing]:
    best: dict[str, Standing] = {one.episode_id: Standing(one, None, "") for one in episodes}
    owner = {event: episode for episode in episodes for event in episode.event_ids}
    for alert in alerts:
        held = Counter(owner[event].episode_id for event in alert.event_ids if event in owner)
        for episode_id, count in held.items():
            episode, score, _ = best[episode_id]
            if alert.light in LIGHTS and count >= episode.needed and (score is None or alert.score > score):
                best[episode_id] = Standing(episode, alert.score, alert.detector)
    return list(best.values())


def _background(alerts: list[Alert], labelled: frozenset[str], cut: float) -> dict[str, tuple[int, int]]:
    outside = [alert for alert in alerts if alert.light in LIGHTS and labelled.isdisjoint(alert.event_ids)]
    every = Counter(alert.detector for alert in outside)
    above = Counter(alert.detector for alert in outside if alert.score > cut)
    return {name: (every[name], above[name]) for name in sorted(every)}


def _range(value: float, *bounds: float) -> str:
    """Which range a value falls into: up to the first bound, from there to the second, …, above the last."""
    number = sum(value > bound for bound in bounds)
    if number == len(bounds):
        return f"> {bounds[-1]:g}"
    return f"≤ {bounds[number]:g}" if number == 0 else f"{bounds[number - 1]:g}–{bounds[number]:g}"


RANGES: Final[dict[str, Callable[[dict[str, Any]], list[str]]]] = {
    "A": lambda p: [f"cards {_range(p['k'], 3, 4, 6)}", f"minutes {_range(p['w'], 10, 20, 30)}", f"times {_range(p['rep'], 1, 2)}"],
    "B": lambda p: ["collector known" if p["known"] else "collector unknown", f"cards {_range(p['k'], 7)}",
                    f"days {_range(p['d'], 14)}", f"shops {_range(p['shops'], 3)}"],
    "C": lambda p: [f"pharmacies {_range(p['p'], 3, 4)}", f"days {_range(p['d'], 2, 5, 9)}", f"pack {_range(p['pack'], 7, 12)}"],
    "D": lambda p: [f"ratio {_range(p['ratio'], 2.4, 3.2)}", f"days {_range(p['d'], 75)}", f"pack {_range(p['pack'], 7, 12)}"],
    "E": lambda p: [f"visits/day {_range(p['n'] / p['d'], 0.6, 1, 1.5)}", f"n {_range(p['n'], 11, 15)}", f"orgs {_range(p['orgs'], 1, 3)}"],
    "F": lambda p: [f"n {_range(p['n'], 3, 4)}", f"days {_range(p['d'], 4)}"],
    "T": lambda p: [f"days {_range(p['d'], 30, 90)}"],
}  # fmt: skip


def report(outcomes: Sequence[Outcome]) -> str:
    """The outcomes of all seeds as Markdown."""
    heads = [
        "seed",
        "budget",
        "recall",
        "agent buying",
        "frequent visits",
        "look-alikes",
        "background/10k",
        "median lead",
    ]
    standing = ["kind", "parameters", "best score", "cut", "detector"]
    runs = [
        [f"{outcome.seed}", _budget(budget), f"{quality.recall.share:.3f}",
         *(f"{quality.by_family()[family].share:.3f}" if family in quality.by_family() else "–"
           for family in ("agent_buying", "frequent_visits")),
         f"{quality.look_alikes.hits}/{quality.look_alikes.of}", f"{quality.background_per_10k:.2f}",
         f"{quality.median_lead:.2f}" if quality.median_lead is not None else "–"]
        for outcome in outcomes for budget, quality in outcome.at.items()
    ]  # fmt: skip
    return "\n\n".join(
        (
            "## Seeds", table(heads, runs),
            "## By kind", table(["kind", *map(_budget, outcomes[0].at)], _kinds(outcomes)),
            "## By range of one parameter", table(["kind", "range", *map(_budget, outcomes[0].at), ""], _ranges(outcomes)),
            f"## Missed at {BUDGETS[-1]:g}",
            table(standing, _standing((outcome, one) for outcome in outcomes for one in outcome.missed)),
            "## Look-alikes flagged",
            table(standing, _standing((outcome, one) for outcome in outcomes for one in outcome.flagged)),
            "## On the background",
            table(["detector", "alerts", f"above the cut at {BUDGETS[-1]:g}"], _speaking(outcomes)),
        )
    ) + "\n"  # fmt: skip


def _kinds(outcomes: Sequence[Outcome]) -> list[list[str]]:
    kinds = outcomes[0].at[None].by_kind()
    return [
        [kind, *(_pooled([outcome.at[budget].by_kind()[kind] for outcome in outcomes]) for budget in outcomes[0].at)]
        for kind in kinds
    ]


def _ranges(outcomes: Sequence[Outcome]) -> list[list[str]]:
    hits: dict[tuple[str, str], dict[float | None, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for outcome in outcomes:
        for budget, quality in outcome.at.items():
            for episode in quality.episodes:
                for name in RANGES[episode.kind](episode.params) if episode.kind in RANGES else ():
                    count = hits[episode.kind, name][budget]
                    count[0] += episode.episode_id in quality.caught
                    count[1] += 1
    rows = []
    for (kind, name), by_budget in sorted(hits.items()):
        found, of = by_budget[BUDGETS[-1]]
        shares = (f"{found}/{of} {found / of:.0%}" for found, of in by_budget.values())
        rows.append([kind, name, *shares, "weak" if found < FINDS * of else ""])
    return rows


def _standing(standings: Iterable[tuple[Outcome, Standing]]) -> list[list[str]]:
    return [
        [
            one.episode.kind,
            ", ".join(f"{name} {value}" for name, value in one.episode.params.items()),
            "no alert" if one.score is None else f"{one.score:.3f}",
            f"{outcome.cut:.3f}",
            one.detector,
        ]
        for outcome, one in sorted(standings, key=lambda row: row[1].episode.kind)
    ]


def _speaking(outcomes: Sequence[Outcome]) -> list[list[str]]:
    names = sorted({name for outcome in outcomes for name in outcome.background})
    counts = {name: [outcome.background.get(name, (0, 0)) for outcome in outcomes] for name in names}
    return [
        [
            name,
            f"{sum(every for every, _ in rows) / len(rows):.0f}",
            f"{sum(above for _, above in rows) / len(rows):.0f}",
        ]
        for name, rows in counts.items()
    ]


def _budget(budget: float | None) -> str:
    return "all alerts" if budget is None else f"at {budget:g}"


def _pooled(shares: Iterable[tuple[int, int]]) -> str:
    hits, of = (sum(column) for column in zip(*shares, strict=True))
    return f"{hits}/{of} {hits / of:.0%}"


def main() -> None:
    """Vary the file of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.variants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--institutions", type=Path, required=True)
    parser.add_argument("--drugs", type=Path, required=True)
    parser.add_argument("--truth", type=Path, help="labelled episodes; without it X.truth.jsonl beside X.jsonl")
    parser.add_argument("--rules", type=Path, help="a local rule file, as for fundwatch backtest")
    parser.add_argument("--off", nargs="*", default=[], metavar="DETECTOR", help="detectors to leave out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--per-kind", type=int, default=12, help="episodes of each kind")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write the varied files and their truth there")
    parser.add_argument("--out", type=Path, help="write the tables here too")
    given = parser.parse_args()
    truth = given.truth or truth_beside(given.file)
    fixed = (
        given.file, truth, given.institutions, given.drugs, given.rules,
        frozenset(given.off), given.per_kind, given.kinds, given.keep,
    )  # fmt: skip
    with ProcessPoolExecutor(given.jobs, get_context("spawn")) as pool:
        pending = [pool.submit(vary, *fixed, seed) for seed in given.seeds]
        outcomes = []
        for one in pending:
            outcomes.append(one.result())
            print(f"{len(outcomes)}/{len(pending)} seed {outcomes[-1].seed}", file=sys.stderr, flush=True)
    text = report(outcomes)
    print(text, end="")
    if given.out is not None:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
