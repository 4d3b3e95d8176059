"""Compiled or not, the same: what runs is what is read, and what is found is the same."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import compiled

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "data" / "public-sample"
CAN_COMPILE = bool(shutil.which("cc") or shutil.which("gcc")) and importlib.util.find_spec("Cython") is not None


def python(*arguments: str, folder: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **env},
        capture_output=True,
        text=True,
        check=True,
    )


def backtest(**env: str) -> dict[str, object]:
    reference = ("--institutions", f"{SAMPLE}.institutions.csv", "--drugs", f"{SAMPLE}.drugs.csv")
    figures = json.loads(python("-m", "fundwatch", "backtest", f"{SAMPLE}.jsonl.zst", *reference, **env).stdout)
    del figures["seconds"]
    return figures


def running(folder: Path = ROOT, **env: str) -> list[str]:
    told = "import json, detectors.backtest, compiled; print(json.dumps(compiled.running()))"
    return json.loads(python("-c", told, folder=folder, **env).stdout)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The hot packages in a folder of their own, with what was compiled of them."""
    for package in ("compiled", "schemas", "detectors"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_every_pattern_names_something() -> None:
    assert all(list(ROOT.glob(pattern)) for pattern in compiled.HOT)


@pytest.mark.skipif(not CAN_COMPILE, reason="there is no C compiler: everything runs from source")
def test_setup_has_compiled_the_hot_modules() -> None:
    assert {"detectors.windows", "detectors.judge", "schemas.settlement"} <= set(running())
    assert running(FUNDWATCH_PURE="1") == []


def test_the_same_is_found_from_source() -> None:
    figures = backtest()
    assert figures["alerts"]
    assert backtest(FUNDWATCH_PURE="1") == figures


@pytest.mark.skipif(not CAN_COMPILE, reason="there is no C compiler: everything runs from source")
def test_an_edited_module_runs_from_its_source_until_it_is_compiled_again(copy: Path) -> None:
    assert "detectors.place" in running(copy)
    source = copy / "detectors" / "place.py"
    source.write_text(source.read_text() + "\nEDITED = True\n")
    assert "detectors.place" not in running(copy)
    assert "detectors.windows" in running(copy)
    before = set((copy / "compiled").glob("*.so"))
    python("-m", "compiled", folder=copy)
    assert "detectors.place" in running(copy)
    assert python("-c", "import detectors.place; print(detectors.place.EDITED)", folder=copy).stdout.strip() == "True"
    after = set((copy / "compiled").glob("*.so"))
    assert {path.name.partition("-")[0] for path in before ^ after} == {"detectors.place"}
    assert len(before) == len(after)


def test_without_a_compiler_it_says_so_and_goes_on(copy: Path) -> None:
    for path in (copy / "compiled").glob("*.so"):
        path.unlink()
    nowhere = {"CC": "/nowhere/cc", "PATH": "/nowhere"}
    assert "from its sources" in python("-m", "compiled", folder=copy, **nowhere).stderr
    assert running(copy, **nowhere) == []
