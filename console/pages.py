"""Puts the pages on the application: wall, findings, interface description."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI, Request
from nicegui import ui
from nicegui.client import Client

from console.alerts import build_alert, build_alerts
from console.boards import Boards
from console.reference import build_reference
from console.screen import tag
from console.sessions import Sessions, session_name, sign_in_pages
from console.store import Store
from console.wall import build_wall

_HEAD = '<link rel="stylesheet" href="/assets/console.css"><script src="/assets/console.js"></script>'


def add_pages(app: FastAPI, store: Store, boards: Boards, sessions: Sessions) -> None:
    """Register the pages and mount NiceGUI. What a page may show was decided by the guard; the wall alone is shown to offices too."""
    app.include_router(sign_in_pages(sessions))

    @ui.page("/wall", title="医保基金智能监控中心")
    def wall(client: Client, request: Request) -> None:
        ui.add_head_html(_HEAD)
        institution_id: str = request.scope["institution_id"]
        session = session_name(request.headers.get("cookie"))
        build_wall(
            client,
            boards,
            store.timezone,
            institution_id,
            lambda: not institution_id or sessions.institution_of(session) == institution_id,
        )

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
