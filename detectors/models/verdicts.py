"""What supervisors said of findings, learned so that the list begins with what they would confirm; a light never hangs on it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from river.linear_model import LogisticRegression
from river.optim import SGD

from detectors.errors import VerdictFileError
from schemas.alert import Alert

RATE: Final = 0.5
"""Of learning."""
EDGE: Final = 0.02
"""Scores closer to 0 or 1 are taken as this: the model is given their log odds."""
DOUBT: Final = 20
"""Verdicts on a detector at which they weigh as much as the score its rule gave."""
LARGEST: Final = 1_000.0
"""Feature values beyond it make no difference; counts, days and yuan differ by orders of magnitude, so logarithms are compared."""


class Verdict(msgspec.Struct, frozen=True):
    """One finding as it was published, and what came of it."""

    detector: str
    score: float
    features: dict[str, float | int | str]
    confirmed: bool


class Verdicts:
    """River's logistic regression over detector, score and named features; the same verdicts in the same order give the same numbers."""

    def __init__(self, verdicts: Iterable[Verdict] = ()) -> None:
        self._model: Any = LogisticRegression(optimizer=SGD(RATE))
        self._counts: dict[str, int] = {}
        for verdict in verdicts:
            self.learn(verdict)

    def learn(self, verdict: Verdict) -> None:
        """Take a verdict into account."""
        self._model.learn_one(_inputs(verdict.detector, verdict.score, verdict.features), verdict.confirmed)
        self._counts[verdict.detector] = self._counts.get(verdict.detector, 0) + 1

    def rank(self, alert: Alert) -> float:
        """The score to publish: the alert's own, drawn to the chance that it is confirmed as verdicts on its detector grow in number.

        What an exception explains keeps its place at the end of the list.
        """
        count = self._counts.get(alert.detector, 0)
        if not count or alert.light == "green":
            return alert.score
        chance = float(self._model.predict_proba_one(_inputs(alert.detector, alert.score, alert.features))[True])
        return round((DOUBT * alert.score + count * chance) / (DOUBT + count), 4)


def _inputs(detector: str, score: float, features: Mapping[str, object]) -> dict[str, float]:
    told = {
        f"{detector}:{name}": min(1.0, math.log1p(abs(value)) / math.log1p(LARGEST))
        for name, value in sorted(features.items())
        if isinstance(value, int | float)
    }
    held = min(max(score, EDGE), 1 - EDGE)
    return {detector: 1.0, f"{detector}:": math.log(held / (1 - held)), **told}


_decode = msgspec.json.Decoder(Verdict).decode


def load_verdicts(path: str | Path | None) -> Verdicts | None:
    """The verdicts of a file, a JSON object a line, oldest first; None without a file. Raises :class:`VerdictFileError`."""
    if path is None:
        return None
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise VerdictFileError(
            f"cannot read the file of verdicts {path}: {error.strerror}; check FUNDWATCH_VERDICTS"
        ) from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(_decode(line))
        except msgspec.DecodeError as error:
            raise VerdictFileError(
                f"{path}, line {number}: expected an object with detector, score, features and confirmed: {error}"
            ) from None
    return Verdicts(found)
