"""A believable synthetic city: settlements with labelled fraud and labelled look-alikes, from a seed.

A file, with its reference files and its truth beside it::

    simulation = simulate(persons=20_000, days=60, seed=7)          # nothing is generated yet
    written = simulation.write(Path("city.jsonl.zst"), progress=lambda days_done, events: ...)
    for line in simulation.lines(): ...                             # the same bytes, in arrival order, no newline
    simulation.write_references(Path("city.jsonl.zst"))             # only city.institutions.csv and city.drugs.csv

Traffic that runs with the clock, for the demo::

    traffic = live(rate=5.0, seed=7, start=now)                     # ``now`` is an aware datetime
    traffic.write_references(Path(data_dir) / "city.jsonl")
    for line in traffic.history(): ...                              # about 30 days up to ``now``, publish at once
    for delay, line in traffic.lines(clock): ...                    # endless: wait ``delay`` seconds, then publish

Everything is a pure function of its arguments: the same seed gives the same bytes on every machine and Python.
"""

from streams.simulator.live import LiveTraffic, live
from streams.simulator.simulation import Simulation, Written, simulate

__all__ = ["LiveTraffic", "Simulation", "Written", "live", "simulate"]
