"""The console as it is, except that a test may hold its clock: a file with the seconds, read at every look."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from clickhouse.settings import StoreSettings
from console.app import create_app, serve
from console.settings import ConsoleSettings

if __name__ == "__main__":
    held = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    settings = ConsoleSettings()
    app = create_app(
        settings, StoreSettings(), clock=time.monotonic if held is None else lambda: float(held.read_text())
    )
    sys.exit(serve(app, settings.console_host, settings.console_port))
