"""实时单据审核信息: the latest documents with the light of the worst finding on each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Final

from console import words
from console.boards import Rows
from console.screen import row_table

_COLUMNS: Final = (
    ("time", "结算时间", "left", "10%"),
    ("light_name", "审核", "left", "9%"),
    ("institution", "定点机构", "left", "17%"),
    ("care", "类别", "left", "10%"),
    ("person", "参保人", "left", "13%"),
    ("fee", "总费用", "right", "8%"),
    ("fund", "基金", "right", "8%"),
    ("finding", "审核发现", "left", "18%"),
    ("delay", "延迟", "right", "7%"),
)


def build() -> Callable[[Rows], None]:
    """A table of documents, the newest on top."""
    table = row_table(_COLUMNS, light="light_name")

    def show(rows: Rows) -> None:
        documents = rows["documents"][:20]
        table.rows = [_listed(number, row, documents[0]["setl_time"].date()) for number, row in enumerate(documents)]

    return show


def _listed(number: int, row: dict[str, Any], today: date) -> dict[str, Any]:
    found = f"{words.detector(row['detector'])}：{row['finding']}" if row["light"] else ""
    return {
        "id": number,
        "time": f"{row['setl_time']:%H:%M:%S}"
        if row["setl_time"].date() == today
        else f"{row['setl_time']:%m-%d %H:%M}",
        "light": row["light"] or "none",
        "light_name": words.word(words.LIGHTS, row["light"]) + "灯" if row["light"] else "通过",
        "institution": row["fixmedins_name"] or row["fixmedins_code"],
        "care": row["kind"].replace("慢特病门诊", "慢特病"),
        "person": row["person"],
        "fee": f"{row['medfee_sumamt']:,.0f}",
        "fund": f"{row['fund_pay_sumamt']:,.0f}",
        "finding": found,
        "delay": words.ago(row["delay_seconds"]),
    }
