"""The console as it is, except that its clock runs as fast as asked, so that a minute of refreshes passes in seconds."""

from __future__ import annotations

import sys
import time

from clickhouse.settings import StoreSettings
from console.app import create_app, serve
from console.settings import ConsoleSettings

if __name__ == "__main__":
    speed = float(sys.argv[1])
    settings = ConsoleSettings()
    app = create_app(settings, StoreSettings(), clock=lambda: time.monotonic() * speed)
    sys.exit(serve(app, settings.console_host, settings.console_port))
