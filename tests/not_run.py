"""Tells at the end of a session what could not be tested on this machine; with FUNDWATCH_TEST_ALL=1 that fails the session."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_not_run: Counter[str] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note(report)


def _note(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        _not_run[report.longrepr[2].removeprefix("Skipped: ")] += 1


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _not_run and exitstatus == pytest.ExitCode.OK and _all_wanted():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _not_run:
        return
    terminalreporter.section("not run on this machine" + (", although all was asked for" if _all_wanted() else ""))
    for reason, tests in sorted(_not_run.items()):
        terminalreporter.line(f"{tests} {'test' if tests == 1 else 'tests'}: {reason}")


def _all_wanted() -> bool:
    return os.environ.get("FUNDWATCH_TEST_ALL") == "1"


@pytest.fixture(scope="session")
def needs_chromium() -> Path:
    """The browser to drive; the test is not run where there is none."""
    return _program("a browser (Debian's package chromium, or Google Chrome)", *_BROWSERS)


@pytest.fixture(scope="session")
def needs_node() -> Path:
    """The Node.js to run; the test is not run where there is none."""
    return _program("Node.js (Debian's package nodejs)", "node")


@pytest.fixture(scope="session")
def needs_npm(needs_node: Path) -> Path:
    """Node.js's package client; the test is not run where there is none."""
    return _program("npm (Debian's package npm)", "npm")


def _program(what: str, *names: str) -> Path:
    for name in names:
        if found := shutil.which(name):
            return Path(found)
    pytest.skip(f"needs {what}, none of {', '.join(names)} is installed")
