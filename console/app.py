"""The console process: pages and API for staff on one port, behind the guard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog
from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from clickhouse.panels import MODULES, run_panel
from clickhouse.settings import StoreSettings
from console.api import Sources, add_api
from console.boards import Boards, Rows
from console.guard import Guard
from console.pages import add_pages
from console.replies import refusal
from console.sessions import Sessions
from console.settings import ConsoleSettings
from console.store import Store
from streams import serving
from streams.access import BadTokensError, load_tokens

_ASSETS: Final = Path(__file__).with_name("assets")
_GRACE: Final = 3  # seconds a page may take to let go when the process is told to stop
_BACKLOG: Final = 512
log = structlog.get_logger(__name__)


def create_app(
    settings: ConsoleSettings, store_settings: StoreSettings, *, clock: Callable[[], float] = time.monotonic
) -> FastAPI:
    """The whole console as an ASGI application; one per process, because NiceGUI is. Raises BadTokensError."""
    store = Store(store_settings)
    tokens = load_tokens(settings.tokens) if settings.tokens else None
    boards = Boards(reader(store), {name: module.refresh for name, module in MODULES.items()}, clock=clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        keeping = asyncio.create_task(boards.run())
        yield
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        store.close()

    app = FastAPI(title="Fundwatch console", version="1", docs_url=None, redoc_url=None, lifespan=lifespan)
    add_api(app, Sources(store, boards, tokens))
    _add_service_paths(app, store)
    app.mount("/assets", StaticFiles(directory=_ASSETS))
    sessions = Sessions(tokens, clock=clock)
    add_pages(app, store, boards, sessions)
    app.add_middleware(
        Guard,
        names=[*settings.console_names, settings.console_host],
        networks=settings.console_networks,
        sessions=sessions,
    )
    app.add_middleware(GZipMiddleware, minimum_size=1024)
    return app


def reader(store: Store) -> Callable[[str, str], Rows]:
    """What reads a module's rows for the boards; the institution is a parameter of every panel query."""
    return lambda module, institution_id: store.ask(
        lambda client: run_panel(client, module, institution=institution_id)
    )


def main(settings: ConsoleSettings | None = None, store_settings: StoreSettings | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code. Settings default to the environment."""
    settings = settings or ConsoleSettings()
    try:
        app = create_app(settings, store_settings or StoreSettings())
    except BadTokensError as error:
        log.error("console.not_started", reason=str(error))
        return 2
    return serve(app, settings.console_host, settings.console_port)


def serve(app: FastAPI, host: str, port: int) -> int:
    """Serve an application on an address until SIGTERM or SIGINT; returns the exit code, 1 if the port cannot be had."""
    return serving.serve(serving.config(app, grace=_GRACE), host, port, name="console", backlog=_BACKLOG)


def _add_service_paths(app: FastAPI, store: Store) -> None:
    @app.get("/", include_in_schema=False)
    def root() -> Response:
        return RedirectResponse("/wall")

    @app.get("/healthz", summary="whether the process lives", tags=["service"])
    async def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    @app.get("/readyz", summary="whether the store answers", tags=["service"])
    async def readyz() -> Response:
        if await run_in_threadpool(store.answers):
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "waiting", "reason": "ClickHouse does not answer"}, 503)

    @app.get("/metrics", summary="Prometheus metrics", tags=["service"])
    def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.api_route("/api/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    def unknown(rest: str) -> Response:
        return refusal(404, "not_found", "expected one of the paths of /openapi.json, got another one")
