"""The reference files beside a settlement file: their columns, in order, as the contract names them."""

from __future__ import annotations

from typing import Final

INSTITUTION_COLUMNS: Final = (
    "fixmedins_code", "fixmedins_name", "fixmedins_type", "hosp_lv", "mdtrtarea_admvs", "lat", "lon",
)  # fmt: skip
"""Code, name, type (1 hospital, 2 pharmacy), level, area code, latitude and longitude in degrees."""

DRUG_COLUMNS: Final = ("med_list_codg", "generic", "generic_code", "pack_days", "pric", "monitored")
"""Product code, generic name, generic code, days one pack lasts, price in yuan, 1 when on the resale watch list."""
