"""Exceptions that the authority has filed: whom they concern, which rules, from when to when, why, and by whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec

from detectors.errors import ExceptionFileError
from detectors.explain import FILED, MUTED_BY
from detectors.light import weigh
from detectors.parameters import RuleBook, read_toml
from detectors.rule import AnyRule, Features, Match, rule_class
from schemas.alert import SubjectType

EVERY: Final = "*"
LONGEST_TEXT: Final = 200
"""Characters of a reason or an author: they are read in every explanation."""


class FiledException(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"first": "from", "last": "to"}
):
    """One filed exception; ``rules`` are detectors, families or ``*``, both dates local and included."""

    subject_type: SubjectType
    subject_id: str
    rules: tuple[str, ...]
    first: date
    last: date
    reason: str
    filed_by: str

    def names(self, detector: str) -> bool:
        """Whether it is filed for the detector, its family or all."""
        return not {EVERY, detector, detector.partition(".")[0]}.isdisjoint(self.rules)


def load_exceptions(path: str | Path | None, book: RuleBook) -> tuple[FiledException, ...]:
    """The exceptions of a TOML file, a table ``[[exception]]`` each; none without a file.

    Raises :class:`ExceptionFileError` for what is unknown, missing or cannot be meant, such as a person under a rule that judges
    terminals. The messages count the tables and name nobody.
    """
    if path is None:
        return ()
    advice = "check FUNDWATCH_EXCEPTIONS or --exceptions"
    table = read_toml(Path(path), "the file of exceptions", advice, ExceptionFileError)
    for name in table:
        if name != "exception":
            raise ExceptionFileError(f"{path}: expected tables [[exception]] only, got {name}")
    rows = table.get("exception", [])
    if not isinstance(rows, list):
        raise ExceptionFileError(f"{path}: expected [[exception]] with two brackets, got one table")
    subjects = {setting.detector: rule_class(setting.detector).subject for setting in book.rules}
    return tuple(_checked(f"{path}, exception {number}", row, subjects) for number, row in enumerate(rows, 1))


def _checked(where: str, row: object, subjects: Mapping[str, SubjectType]) -> FiledException:
    try:
        filed = msgspec.convert(row, FiledException)
    except msgspec.ValidationError as error:
        raise ExceptionFileError(f"{where}: {error}") from None
    if not filed.subject_id.strip():
        raise ExceptionFileError(f"{where}: expected whom it concerns in subject_id, got nothing")
    for name, text in (("reason", filed.reason), ("filed_by", filed.filed_by)):
        if not text.strip() or len(text) > LONGEST_TEXT or not text.isprintable():
            raise ExceptionFileError(f"{where}: expected 1 to {LONGEST_TEXT} characters on one line in {name}")
    if filed.last < filed.first:
        raise ExceptionFileError(f"{where}: expected from on or before to, got {filed.first} and {filed.last}")
    if not filed.rules:
        raise ExceptionFileError(f"{where}: expected detectors, families or {EVERY!r} in rules, got an empty list")
    for name in filed.rules:
        named = [detector for detector in subjects if name in (EVERY, detector, detector.partition(".")[0])]
        if not named:
            known = sorted(subjects.keys() | {detector.partition(".")[0] for detector in subjects})
            raise ExceptionFileError(f"{where}: unknown rule {name!r}; expected {EVERY!r} or one of {', '.join(known)}")
        if all(subjects[detector] != filed.subject_type for detector in named):
            judged = sorted({subjects[detector] for detector in named})
            raise ExceptionFileError(
                f"{where}: {name} judges {' and '.join(judged)}, got a {filed.subject_type}; it would have no effect"
            )
    return filed


def filed_for(rule: AnyRule, exceptions: Iterable[FiledException]) -> dict[str, tuple[FiledException, ...]]:
    """What is filed for the subjects of a rule, by subject id, in the order of the file."""
    found: dict[str, tuple[FiledException, ...]] = {}
    for filed in exceptions:
        if filed.subject_type == rule.subject and filed.names(rule.detector):
            found[filed.subject_id] = (*found.get(filed.subject_id, ()), filed)
    return found


def mute(match: Match[Any], on: date, exceptions: Iterable[FiledException]) -> Match[Any]:
    """A match whose point lies on a local day for which an exception is filed: kept, muted, with the reason among its features.

    What a settlement's own reason mutes stays as it is.
    """
    if match.light == "green":
        return match
    for filed in exceptions:
        if filed.first <= on <= filed.last:
            score, light = weigh(match.score, muted=True)
            features: Features = {
                **match.features,
                MUTED_BY: FILED,
                "filed_reason": filed.reason,
                "filed_from": str(filed.first),
                "filed_to": str(filed.last),
                "filed_by": filed.filed_by,
            }
            return Match(score, light, features, match.members)
    return match
