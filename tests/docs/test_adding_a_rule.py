"""The worked example of docs/adding-a-rule.md, taken from the page and run: it must work as it stands there."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import detectors.rules
from detectors.backtest import open_settlements, run
from schemas.alert import alerts_sha256
from tests.detectors import oracle
from tests.detectors.harness import DRUGS, Drive, judge
from tests.detectors.test_properties import arriving, parameters, purchases

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "adding-a-rule.md"
SAMPLE = ROOT / "tests" / "data" / "public-sample.jsonl.zst"
NAME = "night_visits"
DETECTOR = f"frequent_visits.{NAME}"
FILES = {
    f"detectors/rules/{NAME}.toml", f"detectors/rules/{NAME}.py", f"tests/detectors/rules/test_{NAME}.py",
    f"tests/detectors/oracles/{NAME}.py", f"tests/detectors/small/{NAME}.toml",
}  # fmt: skip
BLOCK = re.compile(r"^```\w+ (?P<path>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = """
import sys
import detectors.rules
detectors.rules.__path__.append(sys.argv[1])
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-c", sys.argv[2], sys.argv[3]]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page, each at its path below a new folder."""
    root = tmp_path_factory.mktemp("page")
    for block in BLOCK.finditer(PAGE.read_text("utf-8")):
        file = root / block["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block["text"], "utf-8")
    return root


@pytest.fixture
def shelf(folder: Path) -> Iterator[Path]:
    """The folder as one more from which rules are read."""
    rules = folder / "detectors" / "rules"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detectors.rules, "__path__", [*detectors.rules.__path__, str(rules)])
        importlib.invalidate_caches()
        yield rules
    sys.modules.pop(f"detectors.rules.{NAME}", None)
    vars(detectors.rules).pop(NAME, None)


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"page_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_page_holds_every_file_and_none_is_shipped() -> None:
    assert {block["path"] for block in BLOCK.finditer(PAGE.read_text("utf-8"))} == FILES
    assert not [path for path in FILES if (ROOT / path).exists()]


@pytest.mark.parametrize("path", sorted(path for path in FILES if path.endswith(".py")))
def test_it_is_written_as_the_house_writes(folder: Path, path: str) -> None:
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--stdin-filename", path, "-"],
            input=(folder / path).read_bytes(), capture_output=True, cwd=ROOT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode()


def test_its_test_passes(folder: Path) -> None:
    test = folder / "tests" / "detectors" / "rules" / f"test_{NAME}.py"
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder / "detectors" / "rules"), str(ROOT / "pyproject.toml"), str(test)],
        capture_output=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def test_it_is_judged_beside_the_shipped_rules_and_changes_none_of_them(request: pytest.FixtureRequest) -> None:
    before = run(open_settlements(SAMPLE), judge()).alerts
    assert before
    request.getfixturevalue("shelf")
    core = judge()
    assert DETECTOR in core.rules
    after = run(open_settlements(SAMPLE), core).alerts
    assert alerts_sha256(alert for alert in after if alert.detector != DETECTOR) == alerts_sha256(before)


def test_it_equals_its_recount(shelf: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    small = folder / "tests" / "detectors" / "small" / f"{NAME}.toml"
    recount = module(folder / "tests" / "detectors" / "oracles" / f"{NAME}.py")
    values = {DETECTOR: parameters(small)[DETECTOR]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(oracle.RULES, recount.DETECTOR, recount.oracle)
        found = 0

        @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
        @given(st.data())
        def holds(data: st.DataObject) -> None:
            nonlocal found
            events = data.draw(purchases())
            drive = Drive(
                judge(small), batch=data.draw(st.integers(1, 12)), reload_every=data.draw(st.sampled_from([0, 3]))
            )
            answer = oracle.expected(events, values, DRUGS)
            alerts = drive.run(arriving(data.draw, events)).digested()
            assert {key: alert for key, alert in alerts.items() if alert["detector"] == DETECTOR} == answer
            found += len(answer)

        holds()
        assert found
