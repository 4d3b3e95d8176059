"""Reference files: which item code is which generic, how long a pack lasts, what is on the resale watch list, who is a pharmacy."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final, NamedTuple

from detectors.errors import ReferenceFileError
from schemas.instants import DAY

_DRUG_COLUMNS: Final = ("med_list_codg", "generic", "generic_code", "pack_days", "pric", "monitored")
_INSTITUTION_COLUMNS: Final = (
    "fixmedins_code",
    "fixmedins_name",
    "fixmedins_type",
    "hosp_lv",
    "mdtrtarea_admvs",
    "lat",
    "lon",
)


class Drug(NamedTuple):
    """One item code: its generic (what counts as the same drug), seconds one pack lasts (0 unknown), whether it is monitored."""

    generic: str
    name: str
    pack_seconds: int
    monitored: bool


class Institution(NamedTuple):
    """One institution; the place in degrees, None where unknown."""

    name: str
    pharmacy: bool
    level: str
    area: str
    latitude: float | None
    longitude: float | None


class Reference:
    """What is known beforehand. An item that is not listed is its own generic; an institution that is not listed tells nothing."""

    def __init__(
        self, drugs: dict[str, Drug] | None = None, institutions: dict[str, Institution] | None = None
    ) -> None:
        self.drugs = drugs or {}
        self.institutions = institutions or {}
        self.monitored = frozenset(drug.generic for drug in self.drugs.values() if drug.monitored)
        self.generic_names = {drug.generic: drug.name for drug in self.drugs.values()}

    @classmethod
    def load(cls, institutions: str | Path | None = None, drugs: str | Path | None = None) -> Reference:
        """Read the CSV files (UTF-8, first line the column names); raises :class:`ReferenceFileError`."""
        return cls(
            _read_drugs(Path(drugs)) if drugs else None,
            _read_institutions(Path(institutions)) if institutions else None,
        )

    def generic_name(self, generic: str) -> str:
        """The name staff know a generic by, or its code."""
        return self.generic_names.get(generic, generic)


def _read_drugs(path: Path) -> dict[str, Drug]:
    drugs = {}
    for number, row in _rows(path, _DRUG_COLUMNS):
        days = _number(path, number, "pack_days", row["pack_days"]) or 0.0
        code = row["med_list_codg"]
        generic = row["generic_code"] or code
        drugs[code] = Drug(generic, row["generic"] or generic, round(max(days, 0) * DAY), row["monitored"] == "1")
    return drugs


def _read_institutions(path: Path) -> dict[str, Institution]:
    return {
        row["fixmedins_code"]: Institution(
            row["fixmedins_name"],
            row["fixmedins_type"] == "2",
            row["hosp_lv"],
            row["mdtrtarea_admvs"],
            _number(path, number, "lat", row["lat"]),
            _number(path, number, "lon", row["lon"]),
        )
        for number, row in _rows(path, _INSTITUTION_COLUMNS)
    }


def _rows(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise ReferenceFileError(
                    f"{path}: expected the columns {', '.join(columns)}; missing: {', '.join(missing)}"
                )
            return [
                (number, {name: row[name] or "" for name in columns})
                for number, row in enumerate(reader, 2)
                if row[columns[0]]
            ]
    except OSError as error:
        raise ReferenceFileError(f"cannot read the reference file {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReferenceFileError(f"{path}: expected CSV in UTF-8: {error}") from None


def _number(path: Path, line: int, column: str, text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise ReferenceFileError(f"{path}, line {line}: expected a number in {column}, got {text!r}") from None
