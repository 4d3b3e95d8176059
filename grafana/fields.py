"""How one column of a query looks in a panel: its title, unit, words, colours and where a click on it leads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final, Literal

from grafana_foundation_sdk.models import dashboard as models

from clickhouse.panels.words import LIGHTS
from detectors.parameters import load_rules

RED, YELLOW, GREEN = "#ff4d5e", "#ffc53d", "#2dd4a0"
CALM: Final = "#3b82c4"
INK, DIM, ACCENT = "#e8f1ff", "#8ea6cc", "#38bdf8"
SERIES: Final = ("#38bdf8", "#a78bfa", "#2dd4a0", "#ffc53d", "#fb923c", "#f472b6", "#94a3b8")
LIGHT_COLOURS: Final[Mapping[str, str]] = {"red": RED, "yellow": YELLOW, "green": GREEN}

COUNT: Final = "locale"
"""A whole number with thousands separators."""
YUAN: Final = "locale"
"""Yuan with thousands separators; take two decimals."""
WAN: Final = "suffix: 万元"
"""Ten thousand yuan: for the columns that ``per_wan`` of a panel makes."""
PERCENT: Final = "percent"
DURATION: Final = "dthms"
"""Seconds as hours:minutes:seconds."""


def time(form: str) -> str:
    """The unit of a time shown as ``form``, such as ``HH:mm``."""
    return f"time:{form}"


Step = tuple[float | None, str]
Steps = tuple[Step, ...]
"""Colours from a value on; the first begins with None."""


@dataclass(frozen=True)
class Link:
    """A click that opens another dashboard of ours in a new tab, so that a tile of the wall keeps its place.

    ``variables`` maps the other dashboard's variables to columns of the clicked row, which must be in the panel, hidden or not;
    ``kept`` names variables of this dashboard that the other one takes over.
    """

    title: str
    dashboard: str
    variables: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The data link as a field's configuration has it."""
        given = [f"var-{name}=${{{name}:percentencode}}" for name in self.kept]
        given += [f"var-{name}=${{__data.fields.{column}:percentencode}}" for name, column in self.variables.items()]
        return {"title": self.title, "url": f"/d/{uid(self.dashboard)}?{'&'.join(given)}", "targetBlank": True}


def uid(dashboard: str) -> str:
    """The uid of a dashboard of ours."""
    return f"fundwatch-{dashboard}"


def to_institution(column: str = "fixmedins_code") -> Link:
    """To the institution whose code stands in ``column``."""
    return Link("机构详情", "institution", {"institution": column})


def to_alert(column: str = "alert_id") -> Link:
    """To the finding whose id stands in ``column``."""
    return Link("预警详情", "alert", {"alert": column})


def to_document(alert: str = "alert_id", event: str = "event_id") -> Link:
    """To a document (``event``) and, if there is one, the finding on it."""
    return Link("单据详情", "alert", {"alert": alert, "event": event})


def to_person(column: str = "person_key") -> Link:
    """To the person whose key (never the number itself) stands in ``column``."""
    return Link("参保人详情", "person", {"person": column})


def to_overview(**variables: str) -> Link:
    """To the overview of the same institution, narrowed further: ``to_overview(district="mdtrtarea_admvs")``."""
    return Link("综合分析", "overview", variables, kept=("institution",))


@dataclass(frozen=True)
class Column:
    """One column of a query's answer as a panel shows it.

    ``name`` is the SQL's name, ``title`` what people read (empty: in the panel for links and colours, but hidden). ``width`` in pixels
    of a table, ``unit`` a Grafana unit id, ``words`` a text per code, ``colours`` a colour per code (:func:`light` sets both), ``steps``
    colours by size, ``cell`` how a table draws it, ``colour`` the fixed colour of a series or number.
    """

    name: str
    title: str = ""
    width: int | None = None
    unit: str = ""
    decimals: int | None = None
    words: Mapping[str, str] | None = None
    colours: Mapping[str, str] | None = None
    steps: Steps = ()
    colour: str = ""
    cell: Literal["", "text", "background", "bar", "wrap"] = ""
    align: Literal["", "left", "center", "right"] = ""
    link: Link | None = None

    def properties(self) -> list[models.DynamicConfigValue]:
        """What a field override sets so that a panel shows it so."""
        return [models.DynamicConfigValue(id_val=name, value=value) for name, value in self._properties()]

    def _properties(self) -> Iterable[tuple[str, Any]]:
        if not self.title:
            yield "custom.hideFrom", {"legend": True, "tooltip": True, "viz": True}
            return
        yield "displayName", self.title
        if self.width is not None:
            yield "custom.width", self.width
        if self.align:
            yield "custom.align", self.align
        if self.unit:
            yield "unit", self.unit
        if self.decimals is not None:
            yield "decimals", self.decimals
        if self.words or self.colours:
            yield "mappings", mappings(self.words or {}, self.colours or {})
        if self.steps:
            yield (
                "thresholds",
                {"mode": "absolute", "steps": [{"value": at, "color": colour} for at, colour in self.steps]},
            )
            yield "color", {"mode": "thresholds"}
        if self.colour:
            yield "color", {"mode": "fixed", "fixedColor": self.colour}
        if self.cell == "wrap":
            yield "custom.wrapText", True
        elif self.cell:
            yield "custom.cellOptions", dict(_CELLS[self.cell])
        if self.link:
            yield "links", [self.link.as_json()]


_CELLS: Final[Mapping[str, Mapping[str, object]]] = {
    "text": {"type": "color-text"},
    "background": {"type": "color-background", "mode": "basic"},
    "bar": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
}


def light(name: str = "light", title: str = "审核", width: int = 90, link: Link | None = None) -> Column:
    """A table's column of lights: a cell of the colour with its word, 通过 where there is none."""
    return replace(marker(name, title, link), width=width, cell="background", align="center")


def marker(name: str = "light", title: str = "审核", link: Link | None = None) -> Column:
    """The same words and colours for what is not a table: the markers of a map."""
    words = {code: f"{word}灯" for code, word in LIGHTS.items()} | {"": "通过"}
    return Column(name, title, words=words, colours={**LIGHT_COLOURS, "": CALM}, link=link)


def mappings(words: Mapping[str, str], colours: Mapping[str, str]) -> list[dict[str, object]]:
    """Value mappings from codes to words and colours; the empty code is no text at all."""
    results: dict[str, dict[str, object]] = {}
    for index, code in enumerate([*words, *(code for code in colours if code not in words)]):
        results[code] = {"index": index}
        if code in words:
            results[code]["text"] = words[code]
        if code in colours:
            results[code]["color"] = colours[code]
    empty = results.pop("", None)
    found: list[dict[str, object]] = [{"type": "value", "options": results}] if results else []
    if empty is not None:
        found.append({"type": "special", "options": {"match": "empty", "result": empty}})
    return found


@cache
def rule_titles() -> Mapping[str, str]:
    """The Chinese title of every rule, as the rule book has it."""
    return {rule.detector: rule.title for rule in load_rules().rules}
