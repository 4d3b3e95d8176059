"""How every process writes its log: to standard error, for people on a terminal, else one JSON object per line."""

from __future__ import annotations

import logging
import sys

import structlog


def configure() -> None:
    """Send structlog and what libraries log as warnings or worse to standard error."""
    people = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if people else "iso", utc=not people),
            *([] if people else [structlog.processors.format_exc_info]),
            structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    # these tell a store that is away once more, at length; our own messages say it in a sentence
    for name in ("urllib3.connectionpool", "clickhouse_connect"):  # not "urllib3": clickhouse-connect sets that itself
        logging.getLogger(name).setLevel(logging.ERROR)
