from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_TESTS = """
import pytest
def test_one(): pass
@pytest.mark.parametrize("n", [1, 2])
def test_two(n): pytest.skip("needs a browser, there is none")
"""


@pytest.mark.parametrize(("everything", "code"), [("0", 0), ("1", 1)])
def test_what_is_not_run_is_told_and_fails_where_everything_is_asked_for(
    tmp_path: Path, everything: str, code: int
) -> None:
    (tmp_path / "test_it.py").write_text(_TESTS)
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.not_run",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(
        argv,
        cwd=Path(__file__).parents[1],
        env=os.environ | {"FUNDWATCH_TEST_ALL": everything},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    assert "2 tests: needs a browser, there is none" in done.stdout
    assert ("although all was asked for" in done.stdout) == (everything == "1")


def test_nothing_is_told_where_all_was_run(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_one(): pass\n")
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.not_run",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(argv, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "not run" not in done.stdout
