"""The Chinese words of an explanation that all rules share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.instants import DAY, HOUR, MINUTE

MUTED_BY: Final = "muted_by"
"""The feature that names the exception which explains a match."""

FILED: Final = "filed"
"""The exception that somebody has filed; the features tell why."""

EXCEPTIONS: Final[dict[str, str]] = {
    "long_prescription": "相关结算持有备案长期处方",
    "collector": "相关结算由家属或养老机构代取",
    "treatment_series": "相关就诊为同一机构的连续治疗（透析、换药、输液等）",
    "oncology": "相关结算为肿瘤治疗",
    "newborn": "参保人为新生儿",
    "condition": "医师另作诊断，病情已有变化",
    "prescribed": "医院处方在药店取药",
    "same_institution": "相关结算在同一住院医院（带药或他科）",
    "stock_up": "其中一次大量购药或为外出等一次性备药",
    "steady_refills": "按期续方，领药略快于用药",
    "away": "相关结算发生在参保地以外（外出就医、备药）",
}


def span(seconds: int) -> str:
    """A length of time in its largest whole unit: 30天, 6小时, 30分钟."""
    for unit, name in ((DAY, "天"), (HOUR, "小时"), (MINUTE, "分钟")):
        if seconds % unit == 0:
            return f"{seconds // unit}{name}"
    return f"{seconds}秒"


def closing(muted_by: object) -> str:
    """The end of an explanation: what to do, or why nothing needs to be done."""
    if not muted_by:
        return "，请核实。"
    if muted_by == FILED:
        return "。"
    reasons = "、".join(EXCEPTIONS[name] for name in str(muted_by).split(","))
    return f"；{reasons}，扣除后未达阈值，仅作观察。"


def filed_sentence(features: Mapping[str, object]) -> str:
    """What follows an explanation where an exception is filed, else nothing."""
    if features.get(MUTED_BY) != FILED:
        return ""
    return (
        f"已备案例外：{features['filed_reason']}（{features['filed_from']}至{features['filed_to']}，"
        f"{features['filed_by']}备案），仅作观察。"
    )


WITHDRAWN: Final = "相关结算已退费冲正，条件不再成立，预警撤回。"
