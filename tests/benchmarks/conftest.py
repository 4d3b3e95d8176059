"""A small labelled city to plant into and to measure."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.detection import Data
from streams.simulator import simulate


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Two months of 250 persons, with truth and reference files."""
    file = tmp_path_factory.mktemp("labelled") / "city.jsonl"
    written = simulate(persons=250, days=60, seed=5).write(file)
    return Data(file, written.truth, Path(written.institutions), Path(written.drugs))
