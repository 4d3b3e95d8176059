"""The compose files as the tests read them: variables filled in with their defaults, the cluster's put over the single server's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SINGLE, CLUSTER = ROOT / "docker-compose.yml", ROOT / "docker-compose.cluster.yml"
_VARIABLE = re.compile(r"\$\{[A-Z_]+:-([^}]*)\}")


def read(path: Path) -> dict[str, Any]:
    """One file, its anchors resolved and every ``${NAME:-default}`` at its default."""
    text = path.read_text("utf-8")
    filled = _VARIABLE.sub(lambda found: found[1], text)
    assert "${" not in filled, f"{path.name}: a variable without a default needs an edit before the first start"
    return yaml.safe_load(filled)


def services(*paths: Path) -> dict[str, dict[str, Any]]:
    """The services of files put over each other, as far as our files need Compose's rules: maps merge, lists follow, the rest replaces."""
    merged: dict[str, dict[str, Any]] = {}
    for path in paths:
        for name, service in read(path)["services"].items():
            base = merged.get(name, {})
            if "extends" in service:
                extended = service["extends"]
                base = read(ROOT / extended["file"])["services"][extended["service"]]
            merged[name] = _over(base, {key: value for key, value in service.items() if key != "extends"})
    return merged


def _over(base: Any, new: Any) -> Any:
    if isinstance(base, dict) and isinstance(new, dict):
        return base | {key: _over(base[key], value) if key in base else value for key, value in new.items()}
    if isinstance(base, list) and isinstance(new, list):
        return base + [one for one in new if one not in base]
    return new
