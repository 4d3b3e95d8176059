"""Loads the reference file of institutions, so that the wall knows their names and where they stand."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

from clickhouse.client import translated

_COLUMNS: Final = ("fixmedins_code", "fixmedins_name", "fixmedins_type", "hosp_lv", "mdtrtarea_admvs", "lat", "lon")


def load_institutions(client: Client, path: Path) -> int:
    """Load ``institutions.csv`` (contract 3) into ``institutions``; a code already there is replaced. Returns how many rows.

    Raises ValueError naming the line if a column is missing or a coordinate is no number, OSError if the file cannot be read and
    :class:`clickhouse.errors.StoreError`.
    """
    rows = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{path}: expected the columns {', '.join(_COLUMNS)}, missing {', '.join(missing)}")
        for record in reader:
            texts = [record[name] or "" for name in _COLUMNS[:5]]
            rows.append(
                [
                    *texts,
                    _degrees(path, reader.line_num, record["lat"], 90),
                    _degrees(path, reader.line_num, record["lon"], 180),
                ]
            )
    if rows:
        with translated():
            client.insert("institutions", rows, column_names=list(_COLUMNS), settings={"async_insert": 0})
    return len(rows)


def _degrees(path: Path, line: int, text: str | None, limit: int) -> float | None:
    if not text:
        return None
    try:
        degrees = float(text)
    except ValueError:
        degrees = float("nan")
    if not -limit <= degrees <= limit:
        raise ValueError(f"{path} line {line}: expected degrees between -{limit} and {limit}, got {text!r}")
    return degrees
