"""Writes the dashboards that Grafana is given, ``grafana/dashboards/<name>.json``, from ``grafana/modules/<name>.py``."""

from __future__ import annotations

import json
import pkgutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import modules

FOLDER: Final = Path(__file__).parent / "dashboards"


def dashboards() -> dict[str, Dashboard]:
    """Every dashboard by the name of its file."""
    return {found.name: _dashboard(found.name) for found in pkgutil.iter_modules(modules.__path__)}


def _dashboard(name: str) -> Dashboard:
    built = import_module(f"grafana.modules.{name}").dashboard()
    assert isinstance(built, Dashboard)
    return built


def render(dashboard: Dashboard) -> str:
    """A dashboard's JSON, the same text for the same dashboard."""
    return json.dumps(dashboard, cls=JSONEncoder, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """Write the dashboards; with ``--check`` only say which are out of date or have no module (exit code 1)."""
    wanted = {FOLDER / f"{name}.json": render(dashboard) for name, dashboard in dashboards().items()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    orphans = sorted(set(FOLDER.glob("*.json")) - wanted.keys())
    if "--check" in arguments:
        for path in stale:
            print(f"grafana/dashboards/{path.name} is not what its module says: run make schemas and commit it")
        for path in orphans:
            print(f"grafana/dashboards/{path.name} has no module: remove it")
        return int(bool(stale or orphans))
    for path in stale:
        path.write_text(wanted[path], "utf-8")
    for path in orphans:
        path.unlink()
    print(f"{len(stale)} dashboards written anew" if stale else "all dashboards were current")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
