"""The Chinese words for codes that every wall shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LIGHTS: Final[Mapping[str, str]] = {"red": "红", "yellow": "黄", "green": "绿"}
LIGHT_MEANINGS: Final[Mapping[str, str]] = {"red": "立即处置", "yellow": "需要核实", "green": "持续关注"}
FAMILIES: Final[Mapping[str, str]] = {"agent_buying": "代购配药", "frequent_visits": "频繁就诊"}
SUBJECTS: Final[Mapping[str, str]] = {
    "person": "参保人",
    "terminal": "结算终端",
    "institution": "定点机构",
    "agent": "代办人",
    "drug_code": "药品追溯码",
}
STATES: Final[Mapping[str, str]] = {
    "open": "待处置",
    "acknowledged": "处置中",
    "confirmed": "已查实",
    "rejected": "已排除",
    "closed": "已办结",
    "withdrawn": "已撤销",
}
TRANSACTIONS: Final[Mapping[str, str]] = {"3101": "事前审核", "3102": "事中审核", "3103": "处置反馈"}
