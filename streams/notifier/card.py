"""The short Chinese card people get: what, who (masked), where, money, evidence, and where to read on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from clickhouse.panels.words import FAMILIES, LIGHT_MEANINGS, LIGHTS, SUBJECTS
from detectors.parameters import load_rules
from streams.notifier.notice import Notice, severity

_SYMBOLS: Final = str.maketrans(
    {"[": "［", "]": "］", "<": "＜", ">": "＞", "*": "＊", "`": "｀", "#": "＃", "\n": " ", "\r": " "}
)
"""What a robot would take for markup: no institution's name shall mention all members or hide a link."""
_SOME: Final = 3
_LONGEST_VALUE: Final = 600
_OPERATIONS: Final = {"operations": "系统运行"}
_MORE: Final = "…"


@dataclass(frozen=True)
class Card:
    """A title, lines of label and text, and a link (empty: none). Everything may be shown to people."""

    title: str
    light: str
    lines: tuple[tuple[str, str], ...]
    link: str = ""

    def markdown(self, limit: int, link: str = "[查看详情]({url})") -> str:
        """As Markdown of at most ``limit`` bytes of UTF-8: the last lines are cut first, the link never."""
        head = f"### {self.title}"
        tail = "\n\n" + link.format(url=self.link) if self.link else ""
        room = limit - len(tail.encode())
        text = cut(head, room)
        for label, value in self.lines:
            line = f"\n\n**{label}**：{value}" if label else f"\n\n{value}"
            whole = text + line
            if len(whole.encode()) > room:
                text = cut(whole, room)
                break
            text = whole
        return text + tail

    def text(self) -> str:
        """As plain text."""
        rows = [self.title, *(f"{label}：{value}" if label else value for label, value in self.lines)]
        return "\n".join([*rows, *([self.link] if self.link else [])])


def cut(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` bytes of UTF-8, never through a character, with an ellipsis where something is missing."""
    data = text.encode()
    if len(data) <= limit:
        return text
    return data[: max(0, limit - len(_MORE.encode()))].decode(errors="ignore") + _MORE


def masked(person_id: str) -> str:
    """A person or collector as the wall shows it; a short identifier shows nothing at all."""
    return f"{person_id[:4]}****{person_id[-2:]}" if len(person_id) > 8 else "****"


def alert_card(notice: Notice, names: Mapping[str, str], console: str) -> Card:
    """The card of one alert; ``names`` are those of institutions, ``console`` the address links begin with (empty: none)."""
    word = "已撤销" if notice.withdrawn else LIGHT_MEANINGS.get(notice.light, notice.light)
    lines = [
        ("事项", f"{_family(notice)} · {_plain(rule_title(notice))}"),
        ("对象", _subject(notice, names)),
        ("地点", _places(notice.institutions, names)),
        ("说明", _plain(_unnamed(notice.explanation, notice.people))),
        ("金额", f"基金支付 {notice.amount:,.2f} 元"),
        ("证据", f"{len(notice.event_ids)} 张结算单"),
        ("时间", notice.raised_at),
    ]
    shown = tuple((label, cut(text, _LONGEST_VALUE)) for label, text in lines if text and not _is_moot(label, notice))
    return Card(f"【{LIGHTS.get(notice.light, notice.light)}灯】{word}", notice.light, shown, link_to(notice, console))


def summary_card(notices: Sequence[Notice], names: Mapping[str, str], console: str, *, storm: bool) -> Card:
    """One card for several alerts (at least one), the worst first."""
    ordered = sorted(notices, key=lambda one: (-severity(one.light), one.raised_at))
    counts = Counter(one.light for one in notices)
    told = "，".join(
        f"{LIGHTS.get(light, light)} {counts[light]} 条" for light in sorted(counts, key=severity, reverse=True)
    )
    money = sum(one.amount for one in notices)
    lines = [("数量", f"{len(notices)} 条预警（{told}）"), ("金额", f"基金支付合计 {money:,.2f} 元")]
    if storm:
        lines.append(("事项", _plain(rule_title(ordered[0]))))
        lines.append(("地点", _places(ordered[0].institutions[:1], names)))
    lines += [
        (
            "",
            f"{LIGHTS.get(one.light, one.light)} {_plain(rule_title(one))} · {_subject(one, names)} · {one.amount:,.2f} 元",
        )
        for one in ordered
    ]
    title = "同一规则同一地点集中预警" if storm else "预警汇总"
    link = f"{console.rstrip('/')}/alerts" if console else ""
    return Card(f"【{LIGHTS.get(ordered[0].light, '')}灯】{title}", ordered[0].light, tuple(lines), link)


def link_to(notice: Notice, console: str) -> str:
    """Address of the alert's page; empty without a console, or for what has no page."""
    return f"{console.rstrip('/')}/alerts/{notice.alert_id}" if console and notice.family not in _OPERATIONS else ""


def rule_title(notice: Notice) -> str:
    """The rule's title as the rule book has it."""
    return _titles().get(notice.rule_id) or _titles().get(notice.detector) or notice.rule_id


@cache
def _titles() -> Mapping[str, str]:
    return {rule.detector: rule.title for rule in load_rules().rules}


def _is_moot(label: str, notice: Notice) -> bool:
    return notice.family in _OPERATIONS and label in ("金额", "证据")


def _family(notice: Notice) -> str:
    return FAMILIES.get(notice.family) or _OPERATIONS.get(notice.family) or _plain(notice.family)


def _subject(notice: Notice, names: Mapping[str, str]) -> str:
    if notice.subject_type in ("person", "agent"):
        name = masked(notice.subject_id)
    else:
        name = _unnamed(names.get(notice.subject_id, notice.subject_id), notice.people)
    return f"{SUBJECTS.get(notice.subject_type, '对象')} {_plain(name)}"


def _places(institutions: Sequence[str], names: Mapping[str, str]) -> str:
    shown = "、".join(_plain(names.get(one, one)) for one in institutions[:_SOME])
    return f"{shown} 等 {len(institutions)} 家" if len(institutions) > _SOME else shown


def _unnamed(text: str, people: Iterable[str]) -> str:
    for one in sorted(people, key=len, reverse=True):
        text = text.replace(one, masked(one))
    return text


def _plain(text: str) -> str:
    return text.translate(_SYMBOLS)
