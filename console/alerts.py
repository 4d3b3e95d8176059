"""The pages of findings: a list with filters, and one finding with its evidence; persons masked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from nicegui import run, ui

from clickhouse.errors import StoreError
from clickhouse.findings import Filter, Row, evidence, find, list_findings
from console import words
from console.api import local_time
from console.errors import BadFilterError
from console.screen import tag
from console.store import Store

_PAGE: Final = 50
_EVERY: Final = "全部"
_LIGHT_CELL: Final = (
    '<q-td :props="props"><span :class="\'light light-\' + props.row.light">{{ props.value }}</span></q-td>'
)


def _columns(*named: tuple[str, str, str]) -> list[dict[str, Any]]:
    return [{"name": name, "label": label, "field": name, "align": align} for name, label, align in named]


@dataclass
class _Wish:
    """What the filters say now."""

    light: str = _EVERY
    family: str = _EVERY
    detector: str = _EVERY
    subject: str = ""
    since: str = ""
    until: str = ""

    def filter(self, timezone: str) -> Filter:
        """The filter to ask for; raises BadFilterError for a time that is none."""
        return Filter(
            lights=() if self.light == _EVERY else (self.light,),
            family="" if self.family == _EVERY else self.family,
            detector="" if self.detector == _EVERY else self.detector,
            subject=(self.subject or "").strip()[:128],
            since=local_time("since", (self.since or "").strip(), timezone),
            until=local_time("until", (self.until or "").strip(), timezone),
        )


async def build_alerts(store: Store) -> None:
    """The list: filters above, the latest findings first, more on request, a click opens one."""
    wish = _Wish()
    shown: list[Row] = []

    async def load(*, more: bool) -> None:
        after = (shown[-1]["raised_at"], shown[-1]["alert_id"]) if more and shown else None
        try:
            wanted = wish.filter(store.timezone)
            found = await run.io_bound(
                store.ask,
                lambda client: list_findings(client, wanted, limit=_PAGE + 1, after=after, timezone=store.timezone),
            )
        except BadFilterError:
            note.text = "时间格式应为 2025-03-01 或 2025-03-01 08:00:00"
            return
        except StoreError:
            note.text = "数据中断，请稍后再试"
            return
        rows = found or []
        if not more:
            shown.clear()
        shown.extend(rows[:_PAGE])
        table.rows = [_listed(row) for row in shown]
        note.text = f"已显示 {len(shown)} 条" if shown else "没有符合条件的预警"
        further.set_visibility(len(rows) > _PAGE)

    async def again() -> None:
        await load(more=False)

    async def further_rows() -> None:
        await load(more=True)

    with ui.element("div").classes("desk-card desk-filters"):
        _select(
            "灯色",
            {code: f"{name}灯 · {words.LIGHT_MEANINGS[code]}" for code, name in words.LIGHTS.items()},
            wish,
            "light",
            again,
        )
        _select("类别", words.FAMILIES, wish, "family", again)
        _select("规则", words.detectors(), wish, "detector", again)
        for label, name in (("对象（参保人、机构、终端、代办人）", "subject"), ("起", "since"), ("止", "until")):
            ui.input(label).bind_value(wish, name).props("dense outlined debounce=400").on("keydown.enter", again)
        ui.button("查询", on_click=again).props("unelevated")
        note = ui.label("正在读取").classes("desk-note")
    columns = _columns(
        ("light_name", "灯色", "left"), ("raised_at", "触发时间", "left"), ("detector", "规则", "left"), ("subject", "对象", "left"),
        ("explanation", "说明", "left"), ("events", "单据", "right"), ("amount", "涉及基金（元）", "right"), ("score", "风险分", "right"),
    )  # fmt: skip
    table = (
        ui.table(rows=[], columns=columns, row_key="alert_id", pagination=0)
        .classes("desk-list desk-card")
        .props("flat hide-bottom")
    )
    table.columns[4]["classes"] = "wide"
    table.add_slot("body-cell-light_name", _LIGHT_CELL)
    table.on(
        "rowClick",
        lambda event: ui.navigate.to(f"/alerts/{event.args['alert_id']}"),
        js_handler="(_, row) => emit(row)",
    )
    further = ui.button("更多", on_click=further_rows).props("outline")
    further.set_visibility(False)
    await load(more=False)


def _select(label: str, names: Any, wish: _Wish, field: str, changed: Any) -> None:
    options = {_EVERY: _EVERY} | dict(names)
    ui.select(options, label=label, on_change=changed).bind_value(wish, field).props(
        "dense outlined options-dense"
    ).style("min-width: 11rem")


def _listed(row: Row) -> dict[str, Any]:
    return {
        "alert_id": row["alert_id"],
        "light": row["light"],
        "light_name": words.word(words.LIGHTS, row["light"]),
        "raised_at": row["raised_at"],
        "detector": words.detector(row["detector"]),
        "subject": words.subject(row["subject_type"], row["subject_id"]),
        "explanation": _public(row, row["explanation"]),
        "events": len(row["event_ids"]),
        "amount": f"{row['amount']:,.2f}",
        "score": f"{row['score']:.2f}",
    }


def _public(row: Row, text: str) -> str:
    named = row["subject_id"] if row["subject_type"] in ("person", "agent") else ""
    return words.without_persons(text, [*row["persons"], named])


async def build_alert(store: Store, alert_id: str) -> None:
    """One finding: what, why, how much, and the settlements it rests on."""
    try:
        row = await run.io_bound(store.ask, lambda client: find(client, alert_id))
        settlements = (
            await run.io_bound(store.ask, lambda client: evidence(client, row["event_ids"])) if row is not None else []
        )
    except StoreError:
        ui.label("数据中断，请稍后再试").classes("desk-card")
        return
    if row is None:
        ui.label("没有这条预警，或它已被撤销").classes("desk-card")
        return
    with ui.element("div").classes("desk-card"):
        ui.label(f"{words.word(words.LIGHTS, row['light'])}灯 · {words.LIGHT_MEANINGS.get(row['light'], '')}").classes(
            f"light light-{row['light']}"
        )
        ui.label(_public(row, row["explanation"])).classes("desk-finding")
    with ui.element("dl").classes("desk-card desk-terms"):
        for term, meaning in _terms(row):
            tag("dt", term)
            tag("dd", meaning)
    columns = _columns(
        ("setl_time", "结算时间", "left"), ("person", "参保人", "left"), ("institution", "机构", "left"), ("care", "类别", "left"),
        ("terminal", "终端", "left"), ("collector", "代办人", "left"), ("fee", "总费用（元）", "right"), ("fund", "基金（元）", "right"),
        ("state", "状态", "left"),
    )  # fmt: skip
    ui.table(
        rows=[_settled(one) for one in settlements or []], columns=columns, row_key="event_id", pagination=0
    ).classes("desk-list desk-card").props("flat hide-bottom")


def _terms(row: Row) -> list[tuple[str, str]]:
    return [
        ("预警编号", row["alert_id"]),
        ("版本", f"第 {row['revision']} 版"),
        ("类别", words.word(words.FAMILIES, row["family"])),
        ("规则", f"{words.detector(row['detector'])}（{row['rule_id']} 第 {row['rule_version']} 版）"),
        ("对象", words.subject(row["subject_type"], row["subject_id"])),
        ("触发时间", row["raised_at"]),
        ("证据时段", f"{row['window']['from']} 至 {row['window']['to']}"),
        ("风险分", f"{row['score']:.2f}"),
        ("涉及基金", f"{row['amount']:,.2f} 元"),
        ("涉及人数 / 机构", f"{len(row['persons'])} 人 / {len(row['institutions'])} 家"),
        ("判断依据", _public(row, "；".join(f"{name} = {value}" for name, value in row["features"].items())) or "—"),
        ("模型", row["model_version"] or "规则判定"),
    ]


def _settled(row: Row) -> dict[str, Any]:
    collector = row["agnter_certno"]
    relation = words.word(words.RELATIONS, row["agnter_rlts"])
    return {
        "event_id": row["event_id"],
        "setl_time": row["setl_time"],
        "person": words.masked(row["psn_no"]),
        "institution": row["fixmedins_name"] or row["fixmedins_code"],
        "care": words.care(row["med_type"]),
        "terminal": row["dev_no"],
        "collector": f"{words.masked(collector)} {relation}".strip() if collector else "",
        "fee": f"{row['medfee_sumamt']:,.2f}",
        "fund": f"{row['fund_pay_sumamt']:,.2f}",
        "state": "已退费" if row["reversed"] else "长期处方" if row["long_rx_flag"] == "1" else "",
    }
