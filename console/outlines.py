"""Outlines for a map that has none: a soft ring around the institutions of each district.

``python -m console.outlines institutions.csv > outline.geojson`` draws them for Grafana.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import cos, pi, sin
from pathlib import Path
from typing import Any, Final

Point = tuple[float, float]
"""Longitude and latitude in degrees."""

_ROOM: Final = 0.022  # degrees between the outermost institution and the outline
_CORNERS: Final = 10  # points put around every institution before the hull is drawn


def ring(points: list[Point]) -> list[Point]:
    """The convex outline around points, counter-clockwise, with some room to breathe; also for one or two points."""
    around = [
        (lon + _ROOM * cos(2 * pi * corner / _CORNERS), lat + _ROOM * sin(2 * pi * corner / _CORNERS))
        for lon, lat in points
        for corner in range(_CORNERS)
    ]
    return [(round(lon, 4), round(lat, 4)) for lon, lat in _hull(sorted(set(around)))]


def _hull(points: list[Point]) -> list[Point]:
    return _half(points) + _half(points[::-1])


def _half(points: list[Point]) -> list[Point]:
    kept: list[Point] = []
    for point in points:
        while len(kept) >= 2 and _turn(kept[-2], kept[-1], point) <= 0:
            kept.pop()
        kept.append(point)
    return kept[:-1]


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def geojson(institutions: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """The rings as GeoJSON, one polygon per district with its code as ``name``, of rows with ``mdtrtarea_admvs``, ``lon``, ``lat``."""
    districts: defaultdict[str, list[Point]] = defaultdict(list)
    for row in institutions:
        if row["lon"] and row["lat"]:
            districts[row["mdtrtarea_admvs"]].append((float(row["lon"]), float(row["lat"])))
    outlines = {code: ring(points) for code, points in sorted(districts.items())}
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"name": code},
                "geometry": {"type": "Polygon", "coordinates": [[*outline, outline[0]]]},
            }
            for code, outline in outlines.items()
        ],
    }


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8", newline="") as rows:
        print(json.dumps(geojson(csv.DictReader(rows)), ensure_ascii=False))
