"""The house look of our Grafana dashboards: one function per kind of panel, and the dashboard around them.

A module is a file ``grafana/modules/<name>.py`` with ``dashboard()``; ``feed`` is the example. Its queries are
``clickhouse.panels.MODULES`` (or ``DETAILS``), never SQL of its own. Panels are laid out on 24 columns and, on the wall, 18 rows: the
wall page scales a tile, nobody scrolls. Periods end at the data's own latest hour, so the wall shows bars over the query's hours and
days; ``timeseries`` follows the clock of the reader and is for the service's own figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import barchart as barcharts
from grafana_foundation_sdk.builders import common
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import geomap as geomaps
from grafana_foundation_sdk.builders import stat as stats
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.builders import timeseries as lines
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import geomap as maps

from grafana.fields import ACCENT, CALM, Column, uid
from grafana.target import TIME_ZONE, Target, datasource

ROWS: Final = 18
"""Grid rows of a dashboard on the wall (a row is 30 pixels and a gap of 8)."""
INTERVALS: Final = ("5s", "10s", "15s", "30s", "1m", "5m", "15m", "1h")
"""Refresh rates on offer. A rate that is not among them gets no timer at all."""
OUTLINE: Final = "public/maps/outline.geojson"
"""Where Grafana serves the outline: below its static root, mounted."""

Place = tuple[int, int, int, int]
"""Where a panel lies: x and y of its upper left corner, width and height, in grid units of 24 columns."""
Panel = Builder[models.Panel]
_AnyPanel = barcharts.Panel | geomaps.Panel | stats.Panel | tables.Panel | lines.Panel


def dashboard(
    name: str,
    title: str,
    panels: Sequence[Panel],
    *,
    refresh: int | None = None,
    variables: Sequence[Builder[models.VariableModel]] = (),
    wall: bool = True,
) -> models.Dashboard:
    """A dashboard of ours: dark, Chinese, in our time zone; panels are numbered in their order.

    ``refresh`` in seconds, None for never; raises ValueError for a rate that is not on offer. ``wall`` hides the controls.
    """
    rate = _rate(refresh)
    if rate and rate not in INTERVALS:
        raise ValueError(
            f"expected a refresh among {', '.join(INTERVALS)}, got {rate}: add it to INTERVALS, or it has no timer"
        )
    board = (
        dashboards.Dashboard(title)
        .uid(uid(name))
        .tags(["fundwatch", "wall" if wall else "desk"])
        .timezone(TIME_ZONE)
        .time("now-24h", "now")
        .timepicker(dashboards.TimePicker().hidden(wall).refresh_intervals(list(INTERVALS)))
        .refresh(rate)
        .readonly()
        .week_start("monday")
        .variables(list(variables))
    )
    for panel in panels:
        board.with_panel(panel)
    built = board.build()
    for number, placed in enumerate(built.panels or [], 1):
        placed.id_val = number
    return built


def _rate(seconds: int | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds}s" if seconds < 60 else f"{seconds // 60}m"


def institution(*, shown: bool = False) -> Builder[models.VariableModel]:
    """The variable that narrows every query to one institution's code; empty means all."""
    return _text("institution", "定点机构编码", shown)


def district(*, shown: bool = False) -> Builder[models.VariableModel]:
    """The variable that narrows a query to one district (``mdtrtarea_admvs``); empty means all."""
    return _text("district", "统筹区编码", shown)


def text_variable(name: str, label: str, *, shown: bool = True) -> Builder[models.VariableModel]:
    """A variable people type, or a link brings; empty unless given."""
    return _text(name, label, shown)


def choice(name: str, label: str, query: Target, *, default: str = "") -> Builder[models.VariableModel]:
    """A variable chosen from a query whose columns are the value and its text; the query says what 'all' is (an empty value)."""
    return (
        dashboards.QueryVariable(name)
        .label(label)
        .datasource(datasource())
        .query(query.ref_id(name).build().to_json())
        .current(models.VariableOption(text=default, value=default))
        .refresh(models.VariableRefresh.ON_DASHBOARD_LOAD)
    )


def _text(name: str, label: str, shown: bool) -> Builder[models.VariableModel]:
    return (
        dashboards.TextBoxVariable(name)
        .label(label)
        .default_value("")
        .current(models.VariableOption(text="", value=""))
        .hide(models.VariableHide.DONT_HIDE if shown else models.VariableHide.HIDE_VARIABLE)
    )


def stat(title: str, place: Place, target: Target, columns: Sequence[Column], *, per_wan: Sequence[str] = ()) -> Panel:
    """Figures of a query's one row, side by side, as large as the place allows.

    ``per_wan`` names columns of yuan; each brings a column ``<name>_wan`` in 万元 (unit ``fields.WAN``).
    """
    panel = (
        stats.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("/.*/").values(False))
        .color_mode(kinds.BigValueColorMode.VALUE)
        .graph_mode(kinds.BigValueGraphMode.NONE)
        .justify_mode(kinds.BigValueJustifyMode.CENTER)
        .text_mode(kinds.BigValueTextMode.VALUE_AND_NAME)
        .orientation(kinds.VizOrientation.VERTICAL)
        .wide_layout(False)
        .color_scheme(dashboards.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(ACCENT))
        .no_value("—")
    )
    return _finished(panel, title, place, (target,), columns, per_wan)


def table(title: str, place: Place, target: Target, columns: Sequence[Column], *, per_wan: Sequence[str] = ()) -> Panel:
    """Rows with the given columns in that order; a column without a title is there for links and colours only."""
    panel = (
        tables.Panel()
        .show_header(True)
        .cell_height(kinds.TableCellHeight.MD)
        .align(kinds.FieldTextAlignment.LEFT)
        .cell_options(kinds.TableAutoCellOptions())
        .inspect(False)
    )
    return _finished(panel, title, place, (target,), columns, per_wan)


def bars(
    title: str,
    place: Place,
    target: Target,
    columns: Sequence[Column],
    *,
    stacked: bool = False,
    lying: bool = False,
    values: bool = False,
    per_wan: Sequence[str] = (),
) -> Panel:
    """Bars over the first column (names, or times with a unit of ``fields.time``); one series per further column."""
    panel = (
        barcharts.Panel()
        .x_field(columns[0].title)
        .orientation(kinds.VizOrientation.HORIZONTAL if lying else kinds.VizOrientation.VERTICAL)
        .stacking(kinds.StackingMode.NORMAL if stacked else kinds.StackingMode.NONE)
        .show_value(kinds.VisibilityMode.ALWAYS if values else kinds.VisibilityMode.NEVER)
        .bar_width(0.86)
        .group_width(0.8)
        .bar_radius(0.06)
        .x_tick_label_spacing(0 if lying else 60)
        .full_highlight(True)
        .fill_opacity(85)
        .line_width(0)
        .axis_border_show(False)
        .legend(_legend(shown=len([column for column in columns[1:] if column.title]) > 1))
        .tooltip(_tooltip())
        .color_scheme(dashboards.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
    )
    return _finished(panel, title, place, (target,), columns, per_wan)


def timeseries(
    title: str,
    place: Place,
    targets: Sequence[Target],
    columns: Sequence[Column],
    *,
    area: bool = False,
    unit: str = "",
) -> Panel:
    """Lines over the dashboard's time range; every target answers with a time column and one number column per series."""
    panel = (
        lines.Panel()
        .line_width(2)
        .fill_opacity(28 if area else 8)
        .gradient_mode(kinds.GraphGradientMode.OPACITY)
        .line_interpolation(kinds.LineInterpolation.SMOOTH)
        .show_points(kinds.VisibilityMode.NEVER)
        .span_nulls(True)
        .axis_border_show(False)
        .legend(_legend(shown=True))
        .tooltip(_tooltip())
        .color_scheme(dashboards.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
    )
    if unit:
        panel.unit(unit)
    return _finished(panel, title, place, targets, columns, ())


def geomap(
    title: str,
    place: Place,
    target: Target,
    columns: Sequence[Column],
    *,
    latitude: str = "lat",
    longitude: str = "lon",
    size: str,
    colour: str,
    label: str = "",
) -> Panel:
    """Markers over the outline, as large as ``size`` and coloured by the mapping of ``colour``; no tile of any server is asked for.

    ``label`` is the column written beside a marker. A click shows the columns that have titles.
    """
    style: dict[str, object] = {
        "color": {"field": colour, "fixed": CALM},
        "size": {"field": size, "fixed": 6, "min": 5, "max": 22},
        "opacity": 0.85,
        "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
    }
    if label:
        style["text"] = {"mode": "field", "field": label, "fixed": ""}
        style["textConfig"] = {
            "fontSize": 13,
            "offsetX": 0,
            "offsetY": -16,
            "textAlign": "center",
            "textBaseline": "middle",
        }
    location = (
        common.FrameGeometrySource().mode(kinds.FrameGeometrySourceMode.COORDS).latitude(latitude).longitude(longitude)
    )
    outline = {
        "src": OUTLINE,
        "rules": [],
        "style": {
            "color": {"fixed": "#2f5f9e"},
            "opacity": 0.12,
            "lineWidth": 2,
            "text": {"mode": "field", "field": "name", "fixed": ""},
            "textConfig": {"fontSize": 16, "offsetX": 0, "offsetY": 0, "textAlign": "center", "textBaseline": "middle"},
        },
    }
    panel = (
        geomaps.Panel()
        .basemap(common.MapLayerOptions().type("geojson").name("轮廓").config(outline).tooltip(False))
        .layers(
            [
                common.MapLayerOptions()
                .type("markers")
                .name("机构")
                .config({"style": style, "showLegend": False})
                .location(location)
                .tooltip(True)
            ]
        )
        .view(geomaps.MapViewConfig().id(maps.MapCenterID.FIT).all_layers(True).padding(6))
        .controls(geomaps.ControlsOptions().show_zoom(False).mouse_wheel_zoom(False).show_attribution(False))
        .tooltip(geomaps.TooltipOptions().mode(maps.TooltipMode.DETAILS))
    )
    return _finished(panel, title, place, (target,), columns, ())


def _legend(*, shown: bool) -> Builder[kinds.VizLegendOptions]:
    return (
        common.VizLegendOptions()
        .show_legend(shown)
        .display_mode(kinds.LegendDisplayMode.LIST)
        .placement(kinds.LegendPlacement.BOTTOM)
        .calcs([])
    )


def _tooltip() -> Builder[kinds.VizTooltipOptions]:
    return common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.NONE)


def _finished(
    panel: _AnyPanel,
    title: str,
    place: Place,
    targets: Sequence[Target],
    columns: Sequence[Column],
    per_wan: Sequence[str],
) -> Panel:
    x, y, width, height = place
    panel.title(title).transparent(False).datasource(datasource()).grid_pos(models.GridPos(h=height, w=width, x=x, y=y))
    panel.targets([target.ref_id(chr(ord("A") + number)) for number, target in enumerate(targets)])
    panel.transformations([*(_in_wan(name) for name in per_wan), *_chosen([column.name for column in columns])])
    for column in columns:
        panel.override_by_name(column.name, column.properties())
    return panel


def _chosen(names: list[str]) -> list[models.DataTransformerConfig]:
    order = {name: number for number, name in enumerate(names)}
    return [
        models.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": names}}),
        models.DataTransformerConfig(
            id_val="organize", options={"excludeByName": {}, "indexByName": order, "renameByName": {}}
        ),
    ]


def _in_wan(name: str) -> models.DataTransformerConfig:
    binary = {"left": name, "operator": "/", "right": "10000"}
    return models.DataTransformerConfig(
        id_val="calculateField",
        options={"alias": f"{name}_wan", "mode": "binary", "binary": binary, "replaceFields": False},
    )
