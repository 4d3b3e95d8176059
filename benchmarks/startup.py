"""Start-up to ``ready``.

Goal: at most 30 s when installed (issue 2). Load: ``fundwatch demo`` in a fresh data folder, three times; the clock runs from the
command to the line ``ready``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RUNS = 3


def measure(sample: Path) -> dict[str, Any]:
    """Median and longest of three starts, in seconds; ``sample`` is a small settlement file to be fed."""
    took = [_start(sample) for _ in range(RUNS)]
    return {"startup_median_s": round(statistics.median(took), 1), "startup_max_s": round(max(took), 1)}


def _start(sample: Path) -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "fundwatch", "demo", "--input", str(sample)),
                *("--duration", "1", "--data-dir", f"{folder}/data"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        took = next((time.perf_counter() - started for line in process.stdout if line.startswith("ready ")), None)
        process.stdout.read()
        if process.wait() or took is None:
            raise RuntimeError(f"expected the demo to get ready and end with 0, it ended with {process.returncode}")
        return took
