"""The Chinese words and number forms people see, and the masking of persons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Final

from clickhouse.panels.words import FAMILIES as FAMILIES
from clickhouse.panels.words import LIGHT_MEANINGS as LIGHT_MEANINGS
from clickhouse.panels.words import LIGHTS as LIGHTS
from clickhouse.panels.words import STATES as STATES
from clickhouse.panels.words import SUBJECTS as SUBJECTS
from detectors.parameters import load_rules

RELATIONS: Final[Mapping[str, str]] = {"1": "家属", "7": "照护机构", "9": "其他"}
_CARE: Final = (
    (("41", "9929"), "药店购药"),
    (("14",), "慢特病门诊"),
    (("13",), "急诊"),
    (("2",), "住院"),
    (("1",), "普通门诊"),
)
"""First digits of care types (``med_type``) and their words, the same as in the panels' SQL."""
_MASKED_SUBJECTS: Final = frozenset({"person", "agent"})


def word(words: Mapping[str, str], code: object) -> str:
    """The word for a code; an unknown code stands for itself."""
    return words.get(str(code), str(code))


@cache
def detectors() -> Mapping[str, str]:
    """The title of every rule, as the rule book has it."""
    return {rule.detector: rule.title for rule in load_rules().rules}


def detector(name: object) -> str:
    """The title of a rule; an unknown one stands for itself."""
    return word(detectors(), name)


def care(code: object) -> str:
    """The word for a care type (``med_type``)."""
    text = str(code)
    return next((name for starts, name in _CARE if text.startswith(starts)), "其他")


def masked(person_id: object) -> str:
    """A person or collector as a screen may show it, as the panels' SQL masks it; a short identifier shows nothing at all."""
    text = str(person_id)
    return f"{text[:4]}****{text[-2:]}" if len(text) > 8 else "****"


def subject(kind: object, subject_id: object) -> str:
    """An alert's subject in words, persons masked."""
    name = masked(subject_id) if str(kind) in _MASKED_SUBJECTS else str(subject_id)
    return f"{word(SUBJECTS, kind)} {name}"


def without_persons(text: object, ids: Iterable[str]) -> str:
    """A sentence with every one of these persons and collectors masked, wherever it names them."""
    shown = str(text)
    for one in sorted((one for one in ids if one), key=len, reverse=True):
        shown = shown.replace(one, masked(one))
    return shown


def count(value: object) -> str:
    """A whole number with thousands separators."""
    return f"{int(Decimal(str(value or 0))):,}"


def money(yuan: object) -> tuple[str, str]:
    """An amount for the eye, number and unit: 元, 万元 or 亿元."""
    amount = Decimal(str(yuan or 0))
    for size, unit in ((Decimal(10**8), "亿元"), (Decimal(10**4), "万元")):
        if abs(amount) >= size:
            return f"{amount / size:,.2f}", unit
    return f"{amount:,.0f}", "元"


def ago(seconds: float) -> str:
    """A span of time in its largest unit."""
    for size, unit in ((86_400, "天"), (3_600, "小时"), (60, "分钟")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} 秒"


def short(value: object) -> str:
    """A number or amount of yuan for the eye: whole below ten thousand, else in 万 or 亿 with three digits or more."""
    amount = Decimal(str(value or 0))
    for size, unit in ((Decimal(10**8), "亿"), (Decimal(10**4), "万")):
        if abs(amount) >= size:
            part = amount / size
            return f"{part:,.{max(0, 2 - abs(part).adjusted())}f}{unit}"
    return f"{amount:,.0f}"


def growth(percent: float | None) -> str:
    """A change in percent, its sign always shown; a dash where there is nothing to compare with."""
    return "—" if percent is None else f"{percent:+.1f}%" if abs(percent) < 10 else f"{percent:+,.0f}%"
