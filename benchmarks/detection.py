"""How well a labelled file's episodes are found: whole, in two halves of its persons, and with detectors left out; Markdown tables.

    python -m benchmarks.detection FILE --institutions CSV --drugs CSV [--truth FILE] [--rules FILE] [--jobs N] [--out TABLES.md]

The halves share no person: every settlement goes to the half of its person (a hash of the person's id), an episode's events all to the
half of the episode's first person. Places stay whole, so each sees about half of its customers. What is found in one half only, or found
only because a threshold was looked at in the other, shows here.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import msgspec

from detectors.backtest import open_settlements
from detectors.backtest import run as judge_all
from detectors.judge import Judge
from detectors.parameters import RuleBook, load_rules
from detectors.quality import BUDGETS, Episode, Quality, measure, read_truth
from detectors.reference import Reference
from detectors.state import PersonState
from schemas.alert import Alert
from schemas.instants import Calendar

WHOLE, HALVES = "whole", ("first half", "second half")
PARTS: Final = (WHOLE, *HALVES)
MODELS: Final = frozenset({"frequent_visits.unusual_pattern"})
"""The detectors that have nothing to say without models; others only ask them how far a limit may be lowered."""
HEADS: Final = ("budget", "recall", "agent buying", "frequent visits", "look-alikes", "background/10k", "median lead")


class _Head(msgspec.Struct):
    event_id: str
    psn_no: str


@dataclass(frozen=True)
class Data:
    """Where a labelled file and what belongs to it lie."""

    file: Path
    truth: Path
    institutions: Path
    drugs: Path
    rules: Path | None = None


@dataclass(frozen=True)
class Trial:
    """One run: which part of the persons, which detectors switched off, with or without models."""

    part: str = WHOLE
    off: frozenset[str] = frozenset()
    peers: bool = True
    """Whether models of peers are kept, for rules to ask."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to: at each budget, all alerts (None among the budgets), and who the alerts came from."""

    at: dict[float | None, Quality]
    alerts: dict[str, int]
    """Alerts per detector that ask to look."""
    background: dict[str, int]
    """Those of them that hold no labelled event."""


def trial(data: Data, chosen: Trial) -> Outcome:
    """Run the judge over one part of a file with some detectors off, and measure."""
    episodes = read_truth(data.truth)
    lines: Iterable[bytes] = open_settlements(data.file)
    if chosen.part != WHOLE:
        half = HALVES.index(chosen.part)
        lines = of_half(lines, episodes, half)
        episodes = tuple(episode for episode in episodes if _home(episode) == half)
    book = without(load_rules(data.rules), chosen.off)
    kind = Judge if chosen.peers else Alone
    return judged(lines, episodes, kind(book, Reference.load(data.institutions, data.drugs), Calendar()))


class Alone(Judge):
    """A judge that keeps no models."""

    def cohort(self, find: Callable[[str], PersonState], rows: Mapping[str, bytes] | None = None) -> None:
        """None, as where no rule asks for peers."""
        return


def judged(lines: Iterable[bytes], episodes: Sequence[Episode], judge: Judge) -> Outcome:
    """Run the judge over labelled lines and measure at every budget."""
    labelled = frozenset(event for episode in episodes for event in episode.event_ids)
    result = judge_all(lines, judge, watch=labelled)
    looked_at = [alert for alert in result.alerts if alert.light != "green"]
    return Outcome(
        at={budget: _measured(result.alerts, episodes, result.settlements, result.first_times, budget) for budget in (*BUDGETS, None)},
        alerts=Counter(alert.detector for alert in looked_at),
        background=Counter(alert.detector for alert in looked_at if labelled.isdisjoint(alert.event_ids)),
    )  # fmt: skip


def _measured(
    alerts: list[Alert], episodes: Sequence[Episode], events: int, times: dict[str, str], budget: float | None
) -> Quality:
    return measure(episodes, alerts, events=events, first_times=times, budget=budget)


def without(book: RuleBook, off: frozenset[str]) -> RuleBook:
    """The rule book with these detectors switched off."""
    rules = tuple(
        msgspec.structs.replace(rule, enabled=rule.enabled and rule.detector not in off) for rule in book.rules
    )
    return msgspec.structs.replace(book, rules=rules)


def half_of(person_id: str) -> int:
    """0 or 1, the same on every machine."""
    return blake2b(person_id.encode(), digest_size=1).digest()[0] & 1


def _home(episode: Episode) -> int:
    return half_of(episode.persons[0] if episode.persons else episode.episode_id)


def of_half(lines: Iterable[bytes], episodes: Sequence[Episode], half: int) -> Iterator[bytes]:
    """The settlements of one half of the persons, and the whole of the episodes whose first person is one of them."""
    labelled = {event: _home(episode) for episode in episodes for event in episode.event_ids}
    decode = msgspec.json.Decoder(_Head).decode
    for line in lines:
        try:
            head = decode(line)
        except msgspec.DecodeError:
            continue
        owner = labelled.get(head.event_id)
        if (half_of(head.psn_no) if owner is None else owner) == half:
            yield line


def trials(book: RuleBook) -> list[Trial]:
    """Everything worth running for a rule book: parts, rules or models only, each detector left out once."""
    names = [rule.detector for rule in book.rules if rule.enabled]
    chosen = [Trial(part, off, peers) for off, peers in _groups(book).values() for part in PARTS]
    return list(dict.fromkeys([*chosen, *(Trial(WHOLE, frozenset({name})) for name in names)]))


def models_of(book: RuleBook) -> frozenset[str]:
    """The detectors that are models; all others are rules."""
    return MODELS.intersection(rule.detector for rule in book.rules if rule.enabled)


def _groups(book: RuleBook) -> dict[str, tuple[frozenset[str], bool]]:
    """What to call a set of detectors, which are off then, and whether models are kept."""
    names = frozenset(rule.detector for rule in book.rules if rule.enabled)
    models = models_of(book)
    everything: dict[str, tuple[frozenset[str], bool]] = {"everything": (frozenset(), True)}
    if not models:
        return everything
    return everything | {
        "rules only": (models, False),
        "rules, limits lowered by peers": (models, True),
        "models only": (names - models, True),
    }


def tables(book: RuleBook, outcomes: dict[Trial, Outcome]) -> str:
    """The outcomes as Markdown; what was not run is left out."""
    names = frozenset(rule.detector for rule in book.rules if rule.enabled)
    parts = {part: outcomes[Trial(part)] for part in PARTS}
    kinds = table(
        ["kind", *(f"{part}, {_budget(budget)}" for part in parts for budget in parts[WHOLE].at)],
        [
            [kind, *(_share(quality.by_kind().get(kind)) for outcome in parts.values() for quality in outcome.at.values())]
            for kind in parts[WHOLE].at[None].by_kind()
        ],
    )  # fmt: skip
    groups = [
        [name, part, *_row(quality)]
        for name, (off, peers) in _groups(book).items()
        for part in PARTS
        if Trial(part, off, peers) in outcomes
        for quality in outcomes[Trial(part, off, peers)].at.values()
    ]
    sections = ["## Found", table(["with", "part", *HEADS], groups), "## By kind", kinds]
    if any(len(one.off) == 1 for one in outcomes):
        sections += ["## Each detector left out", _left_out(names, parts[WHOLE], outcomes)]
    return "\n\n".join(sections) + "\n"


def _left_out(names: Iterable[str], everything: Outcome, outcomes: dict[Trial, Outcome]) -> str:
    rows = []
    for name in sorted(names):
        rest = outcomes[Trial(WHOLE, frozenset({name}))].at
        lost = sorted(everything.at[None].caught.keys() - rest[None].caught.keys())
        kinds = Counter(episode.kind for episode in everything.at[None].episodes if episode.episode_id in lost)
        rows.append(
            [
                name, str(everything.alerts.get(name, 0)), str(everything.background.get(name, 0)),
                *(_change(rest[budget].recall.share, everything.at[budget].recall.share) for budget in everything.at),
                f"{rest[None].background_per_10k - everything.at[None].background_per_10k:+.2f}",
                ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "–",
            ]
        )  # fmt: skip
    heads = ["without", "its alerts", "of them background", *(f"recall, {_budget(budget)}" for budget in everything.at)]
    return table([*heads, "background/10k", "no longer found at all"], rows)


def _row(quality: Quality) -> list[str]:
    families = quality.by_family()
    lead = quality.median_lead
    return [
        _budget(quality.budget), _share(quality.recall), _share(families.get("agent_buying")),
        _share(families.get("frequent_visits")), _share(quality.look_alikes), f"{quality.background_per_10k:.2f}",
        "–" if lead is None else f"{lead:.2f}",
    ]  # fmt: skip


def _budget(budget: float | None) -> str:
    return "all alerts" if budget is None else f"at {budget:g}"


def _share(share: tuple[int, int] | None) -> str:
    return f"{share[0]}/{share[1]}" if share and share[1] else "–"


def _change(value: float, before: float) -> str:
    return f"{value:.3f} ({value - before:+.3f})"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def run_all(data: Data, chosen: Sequence[Trial], jobs: int) -> dict[Trial, Outcome]:
    """Every trial, so many at a time, each in a process of its own where there are several."""
    outcomes = {}
    if jobs == 1:
        for number, one in enumerate(chosen, 1):
            _say(number, len(chosen), one)
            outcomes[one] = trial(data, one)
        return outcomes
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for number, (one, outcome) in enumerate(
            zip(chosen, pool.map(trial, [data] * len(chosen), chosen), strict=True), 1
        ):
            _say(number, len(chosen), one)
            outcomes[one] = outcome
    return outcomes


def _say(number: int, of: int, one: Trial) -> None:
    left_out = f" without {', '.join(sorted(one.off))}" if one.off else ""
    print(f"{number}/{of} {one.part}{left_out}", file=sys.stderr, flush=True)


def truth_beside(file: Path) -> Path:
    """``X.truth.jsonl`` of ``X.jsonl`` or ``X.jsonl.zst``."""
    return file.with_name(f"{file.name.removesuffix('.zst').removesuffix('.jsonl')}.truth.jsonl")


def main() -> None:
    """Measure the file of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--institutions", type=Path, required=True)
    parser.add_argument("--drugs", type=Path, required=True)
    parser.add_argument("--truth", type=Path, help="labelled episodes; without it X.truth.jsonl beside X.jsonl")
    parser.add_argument("--rules", type=Path, help="a local rule file, as for fundwatch backtest")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--parts-only", action="store_true", help="whole and halves, no detector left out")
    parser.add_argument("--out", type=Path, help="write the tables here too")
    given = parser.parse_args()
    truth = given.truth or truth_beside(given.file)
    data = Data(given.file, truth, given.institutions, given.drugs, given.rules)
    book = load_rules(given.rules)
    chosen = [Trial(part) for part in PARTS] if given.parts_only else trials(book)
    text = tables(book, run_all(data, chosen, given.jobs))
    print(text, end="")
    if given.out is not None:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
