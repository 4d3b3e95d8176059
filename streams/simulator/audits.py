"""A hospital's side of an audit: the 3102 (or 3101) request its HIS would send before a settlement is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any


def audit_request(
    event: Mapping[str, Any],
    number: int,
    *,
    infno: str = "3102",
    institution_id: str | None = None,
    at: str | None = None,
) -> dict[str, Any]:
    """The national envelope that asks about ``event`` (a SETTLE as contract.md 3 writes it) before it is settled.

    ``number`` (0 to 9,999) tells messages of one institution and second apart; ``institution_id`` lets another institution ask, and ``at``
    (``yyyy-MM-dd HH:mm:ss``) at another time.
    """
    institution = institution_id or event["fixmedins_code"]
    at = at or event["setl_time"]
    inpatient = str(event["med_type"]).startswith("2")
    main = next((one["diag_code"] for one in event.get("diagnoses") or () if one.get("diag_code")), "Z00.0")
    encounter = {
        "mdtrt_id": event["mdtrt_id"],
        "medins_id": institution,
        "medins_name": event.get("fixmedins_name") or institution,
        "medins_admdvs": event.get("mdtrtarea_admvs") or "000000",
        "medins_type": "A1",
        "medins_lv": event.get("hosp_lv") or "05",
        "adm_date": at,
        "dscg_date": at,
        "dscg_main_dise_codg": main,
        "dscg_main_dise_name": main,
        "fsi_diagnose_dtos": [
            {"dise_id": f"{event['mdtrt_id']}-{place}", "inout_dise_type": "1", "maindise_flag": one.get("maindiag_flag") or "0",
             "dias_srt_no": str(place), "dise_codg": one["diag_code"], "dise_name": one["diag_code"], "dise_date": at}
            for place, one in enumerate(event.get("diagnoses") or (), 1)
        ],
        "dr_codg": f"D{institution}",
        "adm_dept_codg": "A01",
        "adm_dept_name": "内科",
        "dscg_dept_codg": "A01",
        "dscg_dept_name": "内科",
        "med_mdtrt_type": "2" if inpatient else "1",
        "med_type": event["med_type"],
        "fsi_order_dtos": [_order(line, place, institution, at) for place, line in enumerate(event.get("lines") or (), 1)],
        "matn_stas": "0",
        "medfee_sumamt": event["medfee_sumamt"],
        "ownpay_amt": "0.00",
        "selfpay_amt": "0.00",
        "hifp_payamt": event["fund_pay_sumamt"],
        "setl_totlnum": 0,
        "insutype": event.get("insutype") or "310",
        "reim_flag": "0",
        "out_setl_flag": "0",
    }  # fmt: skip
    data = {
        "syscode": "HIS",
        "patient_dtos": [
            {
                "patn_id": event["psn_no"],
                "patn_name": "某某",
                "gend": event.get("gend") or "1",
                "brdy": event.get("brdy") or "1970-01-01",
                "poolarea": event.get("insuplc_admdvs") or "000000",
                "curr_mdtrt_id": event["mdtrt_id"],
                "fsi_encounter_dtos": [encounter],
            }
        ],
        "trig_scen": ("8" if inpatient else "6") if infno == "3102" else ("3" if inpatient else "1"),
    }
    digits = "".join(letter for letter in at if letter.isdigit())
    return {
        "infno": infno,
        "msgid": f"{institution[:12]:0<12}{digits}{number:04d}",
        "mdtrtarea_admvs": event.get("mdtrtarea_admvs") or "000000",
        "insuplc_admdvs": event.get("insuplc_admdvs") or "000000",
        "recer_sys_code": "FUNDWATCH",
        "dev_no": event.get("dev_no") or "",
        "infver": "V1.0",
        "opter_type": "1",
        "opter": "0001",
        "opter_name": "某某",
        "inf_time": at,
        "fixmedins_code": institution,
        "fixmedins_name": (event.get("fixmedins_name") or institution)[:20],
        "input": {"data": data if infno == "3102" else data | {"task_id": f"T{digits}{number:04d}"}},
    }


def _order(line: Mapping[str, Any], place: int, institution: str, at: str) -> dict[str, Any]:
    amount = line["det_item_fee_sumamt"]
    order = {
        "rx_id": f"{line.get('feedetl_sn') or place}",
        "rxno": f"R{place}",
        "long_drord_flag": "0",
        "hilist_type": line.get("list_type") or "105",
        "chrg_type": line.get("med_chrgitm_type") or "14",
        "drord_bhvr": "0",
        "hilist_code": line["med_list_codg"],
        "hilist_name": (line.get("hilist_name") or line["med_list_codg"])[:50],
        "hilist_lv": "02",
        "hilist_pric": line.get("pric") or amount,
        "hosplist_code": f"H{place}",
        "hosplist_name": (line.get("hilist_name") or line["med_list_codg"])[:50],
        "cnt": f"{Decimal(str(line.get('cnt') or 1)):.2f}",
        "pric": line.get("pric") or amount,
        "sumamt": amount,
        "ownpay_amt": "0.00",
        "selfpay_amt": "0.00",
        "spec": "1",
        "spec_unt": "盒",
        "drord_begn_date": at,
        "drord_dept_codg": "A01",
        "drord_dept_name": "内科",
        "drord_dr_codg": f"D{institution}",
        "drord_dr_name": "某某",
        "drord_dr_profttl": "3",
        "curr_drord_flag": "1",
    }
    if line.get("prd_days"):
        order["prd_days"] = line["prd_days"]
    if line.get("drug_trac_codg"):
        order["drug_trac_codg"] = line["drug_trac_codg"]
    return order


def feedback_request(
    request: Mapping[str, Any], finding_ids: Sequence[str], number: int, *, change: bool
) -> dict[str, Any]:
    """The 3103 envelope that answers the findings (``jr_id``) of an audit request: the order changed, or continued with a reason."""
    warn: dict[str, str] = {"dspo_way": "2"} if change else {"dspo_way": "1", "dspo_way_rea": "病情需要，已与患者核实"}
    kept = ("mdtrtarea_admvs", "insuplc_admdvs", "recer_sys_code", "infver", "opter_type", "opter", "opter_name", "inf_time",
            "fixmedins_code", "fixmedins_name")  # fmt: skip
    return {name: request[name] for name in kept} | {
        "infno": "3103",
        "msgid": f"{request['msgid'][:-4]}{(number + 5_000) % 10_000:04d}",
        "input": {
            "data": {
                "warn_type": "1" if request["infno"] == "3101" else "2",
                "warns": [{"warn_rslt_id": finding_id, **warn} for finding_id in finding_ids],
            }
        },
    }
