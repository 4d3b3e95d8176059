"""What is usual in one peer group: River models that follow the traffic window by window, as plain numbers between two starts."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import msgspec
from river.anomaly import HalfSpaceTrees
from river.stats import Quantile

from detectors.errors import StateVersionError
from detectors.models.features import NAMES, scaled, unscaled

RIVER: Final = version("river")
MODEL: Final = "peers-1"
"""Name of what is learned here; changed with the features, so that numbers learned for others are refused."""
TREES: Final = 8
HEIGHT: Final = 6
WINDOW: Final = 64
"""Samples after which the models turn: what was filled becomes what is judged with, and filling starts anew."""
SEED: Final = 5
QUANTILE: Final = 0.95
"""Of features and of anomaly scores. From 64 samples a higher one would be the largest alone."""
_PARAMETERS: Final = (TREES, HEIGHT, WINDOW, SEED, QUANTILE, len(NAMES))
MASSES: Final = 2 * TREES * (2 ** (HEIGHT + 1) - 1)
_MARKERS: Final = struct.Struct("<21d2B")
"""River's P² state: q, 5 increments, 5 desired positions, 5 positions, 5 heights, how many are filled, whether they are sorted."""


class _Filling(msgspec.Struct, array_like=True):
    """A P² estimator; increments and desired positions hang on the count alone and are kept once per group."""

    positions: list[int]
    heights: list[float]


class Stored(msgspec.Struct, array_like=True):
    """A peer group as plain numbers, bound to River's version, the model and its parameters."""

    river: str
    model: str
    parameters: tuple[int | float, ...]
    turned: bool
    count: int
    desired: list[float]
    filled: int
    sorted: bool
    filling: list[_Filling]
    limits: list[float]
    masses: bytes
    """Two per node, tree by tree, depth first: of the window that fills, of the one before."""


class Reading(msgspec.Struct, frozen=True):
    """A person held against peers. ``limit`` is the peers' high quantile of the score; ``beyond`` the features above theirs."""

    score: float
    limit: float
    beyond: tuple[str, ...]
    """Names of those features, the furthest first."""
    limits: dict[str, float]
    """The peers' high quantile of every feature, in its own unit."""


class Peers:
    """Learns from samples of one group. Until the first window is full it is warming up and says nothing."""

    def __init__(self) -> None:
        self._trees, self._nodes = _grown()
        self._filling = _estimators()
        self._limits: list[float] = []

    @property
    def warming_up(self) -> bool:
        """Whether too little was learned to judge anyone."""
        return not self._limits

    def learn(self, values: Sequence[float]) -> float | None:
        """Add a sample (features as measured); its score among those before it, None while warming up."""
        features = scaled(values)
        # 0 in the first window
        score = float(self._trees.score_one(features))
        self._trees.learn_one(features)
        for quantile, value in zip(self._filling, (*features.values(), score), strict=True):
            quantile.update(value)
        known = not self.warming_up
        if self._trees.counter == 0:
            self._turn()
        return score if known else None

    def _turn(self) -> None:
        limits = [quantile.get() or 0.0 for quantile in self._filling]
        if self.warming_up:
            # in its first window a half-space tree scores everything 0: the limit of the scores comes with the second
            limits[-1] = 1.0
        self._limits = limits
        self._filling = _estimators()

    def dump(self) -> Stored:
        """The group as plain numbers."""
        states = [_MARKERS.unpack(quantile._quantile.__getstate__()) for quantile in self._filling]
        return Stored(
            river=RIVER,
            model=MODEL,
            parameters=_PARAMETERS,
            turned=not self._trees._first_window,
            count=self._trees.counter,
            desired=list(states[0][6:11]),
            filled=states[0][21],
            sorted=bool(states[0][22]),
            filling=[_Filling([int(position) for position in state[11:16]], list(state[16:21])) for state in states],
            limits=self._limits,
            masses=bytes(mass for node in self._nodes for mass in (node.l_mass, node.r_mass)),
        )


def check(stored: Stored) -> None:
    """Raise :class:`StateVersionError` for numbers of another River, model or parameters."""
    came = (stored.river, stored.model, stored.parameters)
    expected = (RIVER, MODEL, _PARAMETERS)
    if came != expected:
        raise StateVersionError(
            f"expected a model of River {expected[0]}, {MODEL} {expected[2]}, got one of River {came[0]}, {came[1]} {came[2]}; "
            "start with an empty data folder (or state topics) and replay, or run the version that wrote it"
        )
    if len(stored.masses) != MASSES or len(stored.filling) != len(NAMES) + 1:
        raise StateVersionError(f"expected {MASSES} masses, got {len(stored.masses)}; the model is damaged, replay")


def load_peers(stored: Stored) -> Peers:
    """What :meth:`Peers.dump` gave; raises :class:`StateVersionError` for anything :func:`check` refuses."""
    check(stored)
    peers = Peers()
    trees = peers._trees
    for node, filling, turned in zip(peers._nodes, stored.masses[::2], stored.masses[1::2], strict=True):
        node.l_mass, node.r_mass = filling, turned
    trees.counter, trees._first_window = stored.count, not stored.turned
    for quantile, one in zip(peers._filling, stored.filling, strict=True):
        fixed = _MARKERS.unpack(quantile._quantile.__getstate__())[:6]
        quantile._quantile.__setstate__(
            _MARKERS.pack(*fixed, *stored.desired, *one.positions, *one.heights, stored.filled, stored.sorted)
        )
        quantile._is_updated = stored.filled > 0
    peers._limits = list(stored.limits)
    return peers


def limits_of(stored: Stored) -> dict[str, float]:
    """The group's high quantile of every feature, in its own unit; empty while it warms up."""
    return {name: unscaled(name, most) for name, most in zip(NAMES, stored.limits, strict=False)}


class PeerReader:
    """Holds persons against groups as stored: one set of River's trees, given the masses of whichever group is asked.

    Growing trees takes some milliseconds, giving them masses 50 µs.
    """

    def __init__(self) -> None:
        self._trees, self._nodes = _grown()
        self._trees._first_window = False
        self._held: Stored | None = None

    def read(self, stored: Stored, values: Sequence[float]) -> Reading | None:
        """A person's features (as measured) against the group; None while that warms up."""
        if not stored.limits:
            return None
        if stored is not self._held:
            for node, mass in zip(self._nodes, stored.masses[1::2], strict=True):
                node.r_mass = mass
            self._held = stored
        features = scaled(values)
        *limits, limit = stored.limits
        excess = {
            name: value - most for (name, value), most in zip(features.items(), limits, strict=True) if value > most
        }
        return Reading(
            float(self._trees.score_one(features)) if stored.turned else 0.0,
            limit,
            tuple(sorted(excess, key=lambda name: (-excess[name], name))),
            limits_of(stored),
        )


def _grown() -> tuple[Any, list[Any]]:
    """Half-space trees with all their nodes, depth first: grown once, then copied, which takes a sixth of the time."""
    trees: Any = pickle.loads(_seed())  # noqa: S301  bytes made in this process a moment ago
    return trees, [node for tree in trees.trees for node in tree.iter_dfs()]


@cache
def _seed() -> bytes:
    """River grows trees at the first sample, with the seed always the same; that sample is taken out again."""
    trees: Any = HalfSpaceTrees(n_trees=TREES, height=HEIGHT, window_size=WINDOW, seed=SEED)
    trees.learn_one(dict.fromkeys(NAMES, 0.0))
    trees.counter = 0
    nodes = [node for tree in trees.trees for node in tree.iter_dfs()]
    for node in nodes:
        node.l_mass = 0
    return pickle.dumps(trees)


def _estimators() -> list[Quantile]:
    """One per feature, and one for the anomaly score."""
    return [Quantile(QUANTILE) for _ in range(len(NAMES) + 1)]
