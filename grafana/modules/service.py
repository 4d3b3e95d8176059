"""运行状况, for those who keep the service running: delay, throughput, faults and sizes, as far as the store knows them."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from clickhouse.panels import DETAILS
from grafana import fields, parts
from grafana.fields import Column
from grafana.target import Target

_DETAIL = DETAILS["service"]
_MILLISECONDS = "ms"
_BYTES = "bytes"
_ANY_IS_BAD = ((None, fields.GREEN), (1.0, fields.RED))
_FIGURES = (
    Column(
        "delay_seconds", "结算到入库", unit=fields.DURATION, decimals=0,
        steps=((None, fields.GREEN), (60.0, fields.YELLOW), (600.0, fields.RED)),
    ),
    Column(
        "silent_seconds", "距上次入库", unit=fields.DURATION, decimals=0,
        steps=((None, fields.GREEN), (300.0, fields.YELLOW), (1800.0, fields.RED)),
    ),
    Column("documents", "近3小时单据", unit=fields.COUNT, colour=fields.ACCENT),
    Column("marks", "待更新汇总", unit=fields.COUNT, steps=((None, fields.GREEN), (200.0, fields.YELLOW), (2000.0, fields.RED))),
    Column("dead_letters", "近24时无法读取", unit=fields.COUNT, steps=_ANY_IS_BAD),
    Column("audits", "近24时事前询问", unit=fields.COUNT, colour=fields.ACCENT),
    Column(
        "undecided_percent", "未决占比", unit=fields.PERCENT, decimals=2,
        steps=((None, fields.GREEN), (0.1, fields.YELLOW), (1.0, fields.RED)),
    ),
    Column("refused", "格式有误", unit=fields.COUNT, steps=((None, fields.GREEN), (1.0, fields.YELLOW))),
    Column(
        "took_p95", "应答P95", unit=_MILLISECONDS, decimals=0,
        steps=((None, fields.GREEN), (200.0, fields.YELLOW), (500.0, fields.RED)),
    ),
)  # fmt: skip
_THROUGHPUT = (
    Column("minute", "时间", unit=fields.time("HH:mm")),
    Column("documents", "每分钟入库单据", unit=fields.COUNT, colour=fields.SERIES[0]),
)
_DELAY = (
    Column("minute", "时间", unit=fields.time("HH:mm")),
    Column("delay_p50", "中位延迟", unit=fields.DURATION, colour=fields.SERIES[0]),
    Column("delay_p99", "P99延迟", unit=fields.DURATION, colour=fields.SERIES[4]),
)
_AUDITS = (
    Column("hour", "时间", unit=fields.time("HH时")),
    Column("asked", "询问", unit=fields.COUNT, colour=fields.SERIES[0]),
    Column("refused", "格式有误", unit=fields.COUNT, colour=fields.YELLOW),
)
_ANSWERS = (
    Column("hour", "时间", unit=fields.time("HH时")),
    Column("took_p50", "中位", unit=_MILLISECONDS, decimals=0, colour=fields.SERIES[0]),
    Column("took_p95", "P95", unit=_MILLISECONDS, decimals=0, colour=fields.SERIES[3]),
    Column("took_p99", "P99", unit=_MILLISECONDS, decimals=0, colour=fields.SERIES[4]),
)
_UNDECIDED = (
    Column("hour", "时间", unit=fields.time("HH时")),
    Column("undecided_percent", "未决占比", unit=fields.PERCENT, decimals=2, colour=fields.RED),
)
_ERRORS = (
    Column("day", "日期", unit=fields.time("MM-DD")),
    Column("settlements", "结算", unit=fields.COUNT, colour=fields.RED),
    Column("audits", "事前审核", unit=fields.COUNT, colour=fields.YELLOW),
    Column("others", "其他", unit=fields.COUNT, colour=fields.SERIES[6]),
)
_REASONS = (
    Column("topic", "来源", 150),
    Column("field", "字段", 170),
    Column("cause", "原因"),
    Column("letters", "条数", 80, unit=fields.COUNT, align="right"),
    Column("last_at", "最近一次", 130, unit=fields.time("MM-DD HH:mm")),
)
_PANELS = (
    Column("title", "汇总"),
    Column("marks", "待更新", 100, unit=fields.COUNT, align="right"),
    Column("waiting_seconds", "已等待", 110, unit=fields.DURATION, align="right"),
)
_STORAGE = (
    Column("table", "表"),
    Column("rows", "行数", 140, unit=fields.COUNT, align="right"),
    Column("bytes", "占用", 110, unit=_BYTES, decimals=1, align="right"),
    Column("bytes_per_row", "每行", 90, unit=_BYTES, decimals=0, align="right"),
)


def dashboard() -> Dashboard:
    """Figures; throughput and delay; questions, answers and those without; messages that could not be read; panels and sizes."""
    queries = {query.name: query for query in _DETAIL.queries}
    board = parts.dashboard(
        _DETAIL.name,
        _DETAIL.title,
        [
            parts.stat(queries["figures"].title, (0, 0, 24, 4), Target(queries["figures"]), _FIGURES),
            parts.bars("每分钟入库单据", (0, 4, 12, 7), Target(queries["ingest"]), _THROUGHPUT),
            parts.bars("结算到入库的延迟", (12, 4, 12, 7), Target(queries["ingest"]), _DELAY),
            parts.bars("近24小时事前询问", (0, 11, 8, 7), Target(queries["audits"]), _AUDITS),
            parts.bars("应答时间", (8, 11, 8, 7), Target(queries["audits"]), _ANSWERS),
            parts.bars("未决占比", (16, 11, 8, 7), Target(queries["audits"]), _UNDECIDED),
            parts.bars("近14天无法读取的消息", (0, 18, 10, 7), Target(queries["errors"]), _ERRORS, stacked=True),
            parts.table(queries["reasons"].title, (10, 18, 14, 7), Target(queries["reasons"], rows=50), _REASONS),
            parts.table(queries["panels"].title, (0, 25, 8, 10), Target(queries["panels"]), _PANELS),
            parts.table(queries["storage"].title, (8, 25, 16, 10), Target(queries["storage"], rows=50), _STORAGE),
        ],
        refresh=_DETAIL.refresh,
        wall=False,
    )
    board.description = (
        "来自ClickHouse：入库速度与延迟按数据自身最近三小时的单据计。Kafka积压、进程重启、Worker内部耗时、看板查询耗时和推送结果"
        "不在库中，见各服务的 Prometheus 指标 /metrics（fundwatch_worker_*、fundwatch_gateway_*、fundwatch_console_*）。"
    )
    return board
