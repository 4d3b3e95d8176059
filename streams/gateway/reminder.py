"""What a caller may see of a patient before the visit (事前提醒): everything at the centre, little of others at a hospital."""

from __future__ import annotations

import re
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from detectors.reference import Reference
from schemas.audit import OpenFinding, Patient, Seen, Series
from streams.access import Client, Role

SEES_ALL: Final[frozenset[Role]] = frozenset({"supervisor", "admin"})
"""Roles that see other institutions by code, fund money and findings in full; the others see their own institution so."""

_CODE: Final = re.compile(r"[HP](\d{6})\d{5}")
HOSPITAL, PHARMACY = "医院", "药店"


class _View(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Visit(_View):
    """A recent settlement; ``institution_id`` and ``fund`` only where the caller may see them."""

    at: str = Field(description="yyyy-MM-dd HH:mm:ss")
    kind: str = Field(description="医院 or 药店")
    area: str = Field(description="administrative area of the institution, empty if unknown")
    care: str = Field(description="outpatient, pharmacy or inpatient")
    generics: list[str] = Field(description="generic codes")
    institution_id: str | None = None
    fund: float | None = Field(default=None, description="yuan")


class InHand(_View):
    """What is left of a generic; null: the dose is unknown."""

    generic: str = Field(description="generic code")
    name: str
    remaining_days: float | None
    runs_out_on: str | None = Field(description="yyyy-MM-dd")
    last_collected_at: str
    collections: int
    institutions: int


class Treatment(_View):
    """A series of treatments under way."""

    reason: str
    since: str
    until: str
    visits: int
    kind: str
    area: str
    institution_id: str | None = None


class Standing(_View):
    """An open finding: its title, and the rest where the caller may see it."""

    title: str
    rule_id: str | None = None
    raised_at: str | None = None
    score: float | None = None
    muted: bool | None = None


class Visits(_View):
    """How often somebody went in the last ``days`` days."""

    days: int
    visits: int


class PatientView(_View):
    """The answer of ``GET /api/patients/{psn_no}``; a 3101 without orders holds the same per patient in ``output.reminders``."""

    psn_no: str = Field(description="masked in the middle for his and office")
    visits: list[Visit]
    medication: list[InHand]
    series: list[Treatment]
    findings: list[Standing]
    counts: list[Visits]


def view(patient: Patient, client: Client, reference: Reference) -> PatientView:
    """The patient as this caller may see it."""
    everything = client.role in SEES_ALL

    def known(institution_id: str) -> bool:
        return everything or institution_id == client.institution_id

    return PatientView(
        psn_no=patient.person_id if everything else masked(patient.person_id),
        visits=[_visit(one, known(one.institution_id), reference) for one in patient.visits],
        medication=[
            InHand(
                generic=one.generic,
                name=one.name,
                remaining_days=one.remaining_days,
                runs_out_on=one.runs_out_on,
                last_collected_at=one.last_collected_at,
                collections=one.collections,
                institutions=one.institutions,
            )
            for one in patient.medication
        ],
        series=[_series(one, known(one.institution_id), reference) for one in patient.series],
        findings=[_finding(one, everything) for one in patient.findings],
        counts=[Visits(days=int(days), visits=visits) for days, visits in patient.counts.items()],
    )


def plain(seen: PatientView) -> dict[str, object]:
    """The view as JSON holds it: what may not be seen is left out, what is unknown is null."""
    told = seen.model_dump()
    for name in ("visits", "series", "findings"):
        told[name] = [{field: value for field, value in one.items() if value is not None} for one in told[name]]
    return told


def masked(person_id: str) -> str:
    """A person's number with its middle hidden, at least half of it."""
    shown = min(4, len(person_id) // 4)
    if not shown:
        return "*" * len(person_id)
    return person_id[:shown] + "*" * (len(person_id) - 2 * shown) + person_id[-shown:]


def _visit(seen: Seen, known: bool, reference: Reference) -> Visit:
    kind, area = _where(seen.institution_id, reference)
    return Visit(
        at=seen.at,
        kind=PHARMACY if seen.care == "pharmacy" else kind,
        care=seen.care,
        area=area,
        generics=seen.generics,
        institution_id=seen.institution_id if known else None,
        fund=float(seen.fund) if known else None,
    )


def _series(series: Series, known: bool, reference: Reference) -> Treatment:
    kind, area = _where(series.institution_id, reference)
    return Treatment(
        reason=series.reason,
        since=series.since,
        until=series.until,
        visits=series.visits,
        kind=kind,
        area=area,
        institution_id=series.institution_id if known else None,
    )


def _finding(finding: OpenFinding, everything: bool) -> Standing:
    if not everything:
        return Standing(title=finding.title)
    return Standing(
        title=finding.title,
        rule_id=finding.rule_id,
        raised_at=finding.raised_at,
        score=finding.score,
        muted=finding.muted,
    )


def _where(institution_id: str, reference: Reference) -> tuple[str, str]:
    listed = reference.institutions.get(institution_id)
    if listed is not None:
        return PHARMACY if listed.pharmacy else HOSPITAL, listed.area
    # the code itself says what and where, where it is of the national form
    code = _CODE.fullmatch(institution_id)
    return PHARMACY if institution_id.startswith("P") else HOSPITAL, code[1] if code else ""
