"""The wall: seven modules on one screen, each redrawn when its rows change, all viewers fed from the same rows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from nicegui import ui
from nicegui.client import Client

from clickhouse.panels import MODULES
from console.boards import Boards, Rows, Snapshot
from console.errors import BoardUnavailableError, told
from console.modules import audits, feed, figures, hospitals, results, trend, visits
from console.modules import map as institutions_map
from console.screen import tag
from console.sessions import SIGN_IN

Show = Callable[[Rows], None]
"""Draws the rows of a module."""
BUILDERS: Final[dict[str, Callable[[], Show]]] = {
    "feed": feed.build,
    "map": institutions_map.build,
    "trend": trend.build,
    "hospitals": hospitals.build,
    "audits": audits.build,
    "visits": visits.build,
    "results": results.build,
}
"""What draws each module; a new module is one file in ``console/modules`` and its line here."""
log = structlog.get_logger(__name__)


def build_wall(
    client: Client, boards: Boards, timezone: str, institution_id: str = "", allowed: Callable[[], bool] = lambda: True
) -> None:
    """Put the wall on a page and keep it fed until the page is closed.

    ``institution_id`` narrows it to one institution. ``allowed`` is asked before anything is shown or done: once it says no, the page
    is fed no more.
    """
    zone = ZoneInfo(timezone)
    endings: list[Callable[[], None]] = []
    viewer = _Viewer(client, boards, zone, institution_id, allowed)
    with ui.element("main").classes("wall"):
        _head(timezone, institution_id)
        show_figures = figures.build()
        cards = [_Card(viewer, module, BUILDERS[module]) for module in BUILDERS]

    def update_figures(snapshot: Snapshot) -> None:
        if snapshot.version and not snapshot.broken:
            show_figures(snapshot.rows)

    # the figures are part of the feed, so that strip and feed never disagree
    endings.append(boards.watch("feed", viewer.in_page(update_figures), institution_id))
    update_figures(boards.current("feed", institution_id))
    endings.extend(card.start() for card in cards)

    def leave() -> None:
        for end in endings:
            end()

    client.on_delete(leave)


def _head(timezone: str, institution_id: str) -> None:
    with ui.element("header"):
        with ui.element("div").classes("wall-side").props("data-link=up"):
            tag("span", classes="link-text")
            if institution_id:
                ui.link(f"本机构 {institution_id}", SIGN_IN)
            else:
                ui.link("预警清单", "/alerts")
            ui.link("3×3 拼接屏", "/wall?layout=3x3").props("data-to=3x3")
            ui.link("单屏", "/wall").props("data-to=single")
        ui.label("医保基金智能监控中心").classes("wall-title")
        with ui.element("div").classes("wall-side right"), ui.element("div").props(f'data-clock="{timezone}"'):
            tag("span", classes="clock-date")
            tag("span", classes="clock-time")


@dataclass
class _Viewer:
    """A page that shows the wall, and what it may show."""

    client: Client
    boards: Boards
    zone: ZoneInfo
    institution_id: str
    allowed: Callable[[], bool]
    sent_away: bool = False

    def in_page(self, show: Callable[[Snapshot], None]) -> Callable[[Snapshot], None]:
        """Draws in the page as long as it is there and allowed; otherwise it is sent away."""

        def guarded(snapshot: Snapshot) -> None:
            if self.client.is_deleted or self.sent_away:
                return
            with self.client:
                if self.allowed():
                    show(snapshot)
                else:
                    # once: a browser told again while it is on its way begins anew
                    self.sent_away = True
                    ui.navigate.to(SIGN_IN)

        return guarded


class _Card:
    """One module's frame: title, age of its data, state, and the module's own drawing."""

    def __init__(self, viewer: _Viewer, module: str, build: Callable[[], Show]) -> None:
        self._viewer = viewer
        self._module = module
        about = MODULES[module]
        self._rhythm = f"每 {about.refresh:g} 秒刷新" if about.refresh else "手动刷新"
        with (
            ui.element("section")
            .classes("module")
            .props(f"data-module={module} data-state=waiting data-version=0") as self._card
        ):
            with ui.element("div").classes("module-head"):
                ui.label(about.title).classes("module-name")
                self._state = ui.label(self._rhythm).classes("module-state")
                if about.refresh is None:
                    tag("button", "重新加载", "module-reload").props("type=button").on("click", self._reload)
            with ui.element("div").classes("module-body"):
                self._show = build()
            self._notice = ui.label("正在读取").classes("module-waiting")

    def start(self) -> Callable[[], None]:
        """Show what is known, follow what comes; the returned function stops it."""
        boards, institution_id = self._viewer.boards, self._viewer.institution_id
        end = boards.watch(self._module, self._viewer.in_page(self._update), institution_id)
        known = boards.current(self._module, institution_id)
        if known.version or known.broken:
            self._update(known)
        if MODULES[self._module].refresh is None:
            ui.timer(0.1, self._open, once=True)
        return end

    async def _open(self) -> None:
        """Read what has no timer, unless another wall was opened a moment ago; a store that is away is shown by the snapshot."""
        with suppress(BoardUnavailableError):
            await self._viewer.boards.recent(self._module, self._viewer.institution_id)

    async def _reload(self) -> None:
        if self._viewer.allowed():
            await self._viewer.boards.refresh(self._module, self._viewer.institution_id)

    def _update(self, snapshot: Snapshot) -> None:
        state = "broken" if snapshot.broken else "live"
        self._notice.text = "数据中断"
        self._state.text = f"{_moment(snapshot.loaded_at, self._viewer.zone)} · {self._rhythm}"
        if not snapshot.broken:
            try:
                self._show(snapshot.rows)
            except Exception as error:
                # a row nobody foresaw must not take the wall down, nor be hidden from it
                log.error("module_not_drawn", module=self._module, **told(error))
                state = "broken"
        self._card.props(f"data-state={state} data-version={snapshot.version}")


def _moment(moment: datetime | None, zone: ZoneInfo) -> str:
    return f"数据更新 {moment.astimezone(zone):%H:%M:%S}" if moment else "尚无数据"
