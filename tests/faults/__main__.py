"""``python -m tests.faults --seconds N``: seeded runs one after the other; a seed that fails names the command that repeats it."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from detectors.backtest import open_settlements
from tests.faults.disturbance import Disturbance
from tests.faults.oracle import expected
from tests.faults.run import DifferenceError, run_disturbed

DATA = Path(__file__).parents[1] / "data"


def main() -> int:
    """Run until the time is over; the exit code is 1 if any seed failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="begin no new run after so long (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, help="first seed (default: another one every time)")
    parser.add_argument("--runs", type=int, help="so many runs instead of --seconds")
    parser.add_argument("--input", type=Path, default=DATA / "public-sample.jsonl.zst", help="settlement file")
    parser.add_argument("--institutions", type=Path, default=DATA / "public-sample.institutions.csv")
    parser.add_argument("--drugs", type=Path, default=DATA / "public-sample.drugs.csv")
    options = parser.parse_args()

    first = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    lines = list(open_settlements(options.input))
    want = expected(lines, options.institutions, options.drugs)
    print(
        f"{len(lines)} settlements, {want.stored} events, {want.alerts} alerts, digest {want.alerts_sha256[:12]}",
        flush=True,
    )
    began, run, failed = time.monotonic(), 0, []
    while run < options.runs if options.runs else time.monotonic() - began < options.seconds:
        seed = first + run
        run += 1
        disturbance = Disturbance.of(seed)
        with tempfile.TemporaryDirectory(prefix="fundwatch-faults-") as folder:
            started = time.monotonic()
            try:
                outcome = run_disturbed(
                    disturbance, disturbance.arrivals(lines), want, Path(folder),
                    "--institutions", str(options.institutions), "--drugs", str(options.drugs),
                )  # fmt: skip
            except DifferenceError as difference:
                failed.append(seed)
                print(
                    f"seed {seed}: FAILED, planned {disturbance.kills}\n{difference}\n"
                    f"repeat: python -m tests.faults --runs 1 --seed {seed} --input {options.input}"
                    f" --institutions {options.institutions} --drugs {options.drugs}",
                    flush=True,
                )
            else:
                killed = ", ".join(outcome.killed) or "nobody"
                print(f"seed {seed}: ok in {time.monotonic() - started:.0f} s, killed {killed}", flush=True)
    print(f"{run} runs in {time.monotonic() - began:.0f} s, {len(failed)} failed {failed or ''}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
