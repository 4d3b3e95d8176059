"""The dashboards against Grafana's own TypeScript types: every option of a panel exists and has a value Grafana knows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grafana import build

_PACKAGES = Path(__file__).with_name("types")
_OFFLINE = re.compile(r"\b(ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH)\b")
_PANELS = {
    "barchart": "BarChart",
    "geomap": "Geomap",
    "stat": "Stat",
    "table": "Table",
    "text": "Text",
    "timeseries": "TimeSeries",
}
_WITHOUT_FIELDS = frozenset({"geomap", "stat", "text"})
_HEAD = """
import type { Dashboard, FieldConfig } from '@grafana/schema';
/** A type as JSON has it: an enum is its values. */
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends readonly (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
"""


@pytest.fixture(scope="module")
def packages(needs_npm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pinned compiler and types; the test is not run where the npm registry cannot be reached."""
    folder = tmp_path_factory.mktemp("types")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_PACKAGES / name, folder)
    done = subprocess.run(
        [needs_npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode and _OFFLINE.search(done.stderr):
        pytest.skip("needs the npm registry, which cannot be reached")
    assert done.returncode == 0, done.stderr
    return folder


def _boards() -> list[dict[str, Any]]:
    """The dashboards without what the SDK writes into every one although Grafana 13 has no such name (it does not read them)."""
    boards: list[dict[str, Any]] = [json.loads(path.read_text("utf-8")) for path in sorted(build.FOLDER.glob("*.json"))]
    for board in boards:
        for variable in board["templating"].get("list", []):
            del variable["auto"], variable["auto_count"], variable["auto_min"]
        for panel in board["panels"]:
            if panel["type"] == "table":
                del panel["options"]["footer"]
    return boards


def _check(folder: Path, lines: list[str]) -> str:
    """What the compiler has to say, nothing if all is well."""
    imports = [
        f"import type * as {panel} from '@grafana/schema/dist/esm/raw/composable/{name}/panelcfg/x/{panel}PanelCfg_types.gen';"
        for name, panel in _PANELS.items()
    ]
    (folder / "check.ts").write_text("\n".join([_HEAD, *imports, *lines, "export {};"]), "utf-8")
    done = subprocess.run(
        [
            folder / "node_modules" / ".bin" / "tsc", "--noEmit", "--strict", "--skipLibCheck",
            "--target", "es2022", "--module", "preserve", "--moduleResolution", "bundler", "check.ts",
        ],
        cwd=folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.stdout + done.stderr


def _declared(board: dict[str, Any]) -> Iterator[str]:
    name = re.sub(r"\W", "_", board["uid"])
    yield f"export const {name}: Plain<Dashboard> = {json.dumps(board, ensure_ascii=False)};"
    for panel in board["panels"]:
        kind, part = _PANELS[panel["type"]], f"{name}_{panel['id']}"
        yield f"export const {part}_options: Plain<{kind}.Options> = {json.dumps(panel['options'], ensure_ascii=False)};"
        custom = panel["fieldConfig"]["defaults"].get("custom")
        if custom is not None:
            assert panel["type"] not in _WITHOUT_FIELDS
            yield f"export const {part}_custom: Plain<Partial<{kind}.FieldConfig>> = {json.dumps(custom)};"
        overrides = [one for override in panel["fieldConfig"]["overrides"] for one in override["properties"]]
        for number, one in enumerate(overrides):
            yield f"export const {part}_{number}: {_property(panel['type'], one['id'])} = {json.dumps(one['value'], ensure_ascii=False)};"


def _property(panel: str, name: str) -> str:
    if not name.startswith("custom."):
        return f"Plain<FieldConfig['{name}']>"
    # Whether a panel shows a field at all is asked of every panel's data, also where it has no settings of its own per field
    kind = "BarChart" if panel in _WITHOUT_FIELDS else _PANELS[panel]
    return f"Plain<{kind}.FieldConfig['{name.removeprefix('custom.')}']>"


def test_every_dashboard_has_grafanas_types(packages: Path) -> None:
    boards = _boards()
    assert boards
    assert _check(packages, [line for board in boards for line in _declared(board)]) == ""


@pytest.mark.parametrize(
    ("panel", "place", "value"),
    [
        ("table", ("options", "cellHeight"), "enormous"),
        ("table", ("options", "celHeight"), "md"),
        ("stat", ("options", "colorMode"), "rainbow"),
        ("geomap", ("options", "view"), {"id": 1}),
        ("table", ("gridPos", "w"), "24"),
    ],
)
def test_what_grafana_does_not_know_is_found(packages: Path, panel: str, place: tuple[str, str], value: object) -> None:
    board = next(board for board in _boards() if any(one["type"] == panel for one in board["panels"]))
    wrong = next(one for one in board["panels"] if one["type"] == panel)
    wrong[place[0]][place[1]] = value
    assert "error TS" in _check(packages, list(_declared(board)))
