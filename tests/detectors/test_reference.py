"""Reference files."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors import Drug, Reference, ReferenceFileError
from schemas.instants import DAY

DATA = Path(__file__).parents[1] / "data"


def test_files_of_the_public_stream() -> None:
    reference = Reference.load(DATA / "public-sample.institutions.csv", DATA / "public-sample.drugs.csv")
    assert len(reference.institutions) == 141
    assert sum(institution.pharmacy for institution in reference.institutions.values()) > 50
    drug = reference.drugs["X0018010756734864203735"]
    assert drug == Drug("G021", "阿法骨化醇软胶囊", 5 * DAY, True)
    assert reference.generic_name("G021") == "阿法骨化醇软胶囊"
    assert "G021" in reference.monitored
    assert reference.generic_name("unheard of") == "unheard of"


def test_nothing_known_is_fine() -> None:
    reference = Reference.load()
    assert not reference.drugs
    assert not reference.institutions


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("med_list_codg,generic\nX1,a\n", "missing: generic_code, pack_days, pric, monitored"),
        ("", "missing: med_list_codg"),
        (
            "med_list_codg,generic,generic_code,pack_days,pric,monitored\nX1,a,G1,seven,1,1\n",
            "line 2: expected a number in pack_days",
        ),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "drugs.csv"
    path.write_text(text)
    with pytest.raises(ReferenceFileError, match=message):
        Reference.load(drugs=path)


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReferenceFileError, match="cannot read"):
        Reference.load(institutions=tmp_path / "nowhere.csv")
    path = tmp_path / "drugs.csv"
    path.write_bytes("med_list_codg,名称\n".encode("gb18030"))
    with pytest.raises(ReferenceFileError, match="UTF-8"):
        Reference.load(drugs=path)


def test_gaps_in_a_row_are_unknown(tmp_path: Path) -> None:
    path = tmp_path / "drugs.csv"
    path.write_text("med_list_codg,generic,generic_code,pack_days,pric,monitored\nX1,,,,,\nX2,b\n,,,,,\n")
    assert Reference.load(drugs=path).drugs == {"X1": Drug("X1", "X1", 0, False), "X2": Drug("X2", "b", 0, False)}
