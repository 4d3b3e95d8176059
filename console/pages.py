"""Puts the pages on the application: wall, findings, interface description."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from nicegui import ui
from nicegui.client import Client

from console.alerts import build_alert, build_alerts
from console.boards import Boards
from console.reference import build_reference
from console.screen import tag
from console.store import Store
from console.wall import build_wall

_HEAD = '<link rel="stylesheet" href="/assets/console.css"><script src="/assets/console.js"></script>'


def add_pages(app: FastAPI, store: Store, boards: Boards) -> None:
    """Register the pages and mount NiceGUI; no session and no cookie, because no page knows who looks."""

    @ui.page("/wall", title="医保基金智能监控中心")
    def wall(client: Client) -> None:
        ui.add_head_html(_HEAD)
        build_wall(client, boards, store.timezone)

    @ui.page("/alerts", title="预警清单")
    async def alerts() -> None:
        with _desk("预警清单"):
            await build_alerts(store)

    @ui.page("/alerts/{alert_id}", title="预警详情")
    async def alert(alert_id: str) -> None:
        with _desk("预警详情"):
            await build_alert(store, alert_id)

    @ui.page("/docs", title="Fundwatch API")
    def reference() -> None:
        with _desk("接口说明"):
            build_reference(app.openapi())

    ui.run_with(
        app,
        title="Fundwatch",
        dark=True,
        language="zh-CN",
        tailwind=False,
        show_welcome_message=False,
        gzip_middleware_factory=None,  # the guard must read the pages before they are packed
        reconnect_timeout=10.0,
    )


@contextmanager
def _desk(title: str) -> Iterator[None]:
    ui.add_head_html(_HEAD + '<script>document.documentElement.classList.add("desk")</script>')
    with ui.element("main").classes("desk-page"):
        with ui.element("div").classes("desk-head"):
            tag("h1", title)
            with ui.element("nav"):
                ui.link("监控大屏", "/wall")
                ui.link("预警清单", "/alerts")
                ui.link("接口说明", "/docs")
        yield
