"""National messages for the tests: whole, right, and of nobody."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

from schemas.audit import Finding

HERE = "H31010100001"
PERSON = "P310101000000000001"
NAMES = ("某甲", "某乙医生", "某丙", "某丁", "某戊", "令牌-代办人")


def order(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "rx_id": f"RX{number}", "rxno": "R1", "grpno": "", "long_drord_flag": "0", "hilist_type": "101", "chrg_type": "09",
        "drord_bhvr": "0", "hilist_code": f"XA10BAE037A001010{number:06d}", "hilist_name": "盐酸二甲双胍片", "hilist_dosform": "片剂",
        "hilist_lv": "01", "hilist_pric": "35.20", "lv1_hosp_item_pric": "", "hilist_memo": "", "hosplist_code": "Y1",
        "hosplist_name": "二甲双胍", "cnt": 2, "pric": 35.2, "sumamt": 70.4, "ownpay_amt": 0, "selfpay_amt": 7.04,
        "spec": "0.5g×20片/盒", "spec_unt": "盒", "drord_begn_date": "2025-06-03 09:10:00", "drord_stop_date": "",
        "drord_dept_codg": "A03", "drord_dept_name": "内科", "drord_dr_codg": "D310101000001", "drord_dr_name": NAMES[1],
        "drord_dr_profttl": "3", "curr_drord_flag": "1", "prd_days": 30, "drug_trac_codg": ["81000000000000000001"], **changes,
    }  # fmt: skip


def visit(**changes: Any) -> dict[str, Any]:
    return {
        "mdtrt_id": "M1", "medins_id": HERE, "medins_name": "示例医院", "medins_admdvs": "310101", "medins_type": "A1",
        "medins_lv": "05", "adm_date": "2025-06-03 09:00:00", "dscg_date": "", "dscg_main_dise_codg": "E11.9",
        "dscg_main_dise_name": "2型糖尿病",
        "fsi_diagnose_dtos": [{"dise_id": "D1", "maindise_flag": "1", "dise_codg": "E11.9", "dise_name": "2型糖尿病"}],
        "dr_codg": "D310101000001", "adm_dept_codg": "A03", "adm_dept_name": "内科", "dscg_dept_codg": "A03",
        "dscg_dept_name": "内科", "med_mdtrt_type": "1", "med_type": "11", "matn_stas": "0", "medfee_sumamt": "140.80",
        "ownpay_amt": "0", "selfpay_amt": "14.08", "hifp_payamt": "126.72", "setl_totlnum": 1, "insutype": "310", "reim_flag": "1",
        "out_setl_flag": "0", "fsi_order_dtos": [order(1), order(2)],
        "fsi_operation_dtos": [{"setl_list_oprn_id": "O1", "main_oprn_flag": "1", "oper_dr_name": NAMES[3], "anst_dr_name": NAMES[4]}],
        "agnter_certno": NAMES[5], "agnter_rlts": "1", "long_rx_flag": "1", **changes,
    }  # fmt: skip


def patient(**changes: Any) -> dict[str, Any]:
    return {
        "patn_id": PERSON, "patn_name": NAMES[0], "gend": "1", "brdy": "1960-02-03", "poolarea": "310100",
        "curr_mdtrt_id": "M1", "fsi_encounter_dtos": [visit()], "fsi_his_data_dto": "", **changes,
    }  # fmt: skip


def head(infno: str, **changes: Any) -> dict[str, Any]:
    return {
        "infno": infno, "msgid": f"{HERE}202506030910000001", "mdtrtarea_admvs": "310101", "insuplc_admdvs": "310101",
        "recer_sys_code": "FUNDWATCH", "dev_no": "T01", "dev_safe_info": "", "cainfo": "", "signtype": "", "infver": "V1.0",
        "opter_type": "1", "opter": "O1", "opter_name": NAMES[2], "inf_time": "2025-06-03 09:10:00", "fixmedins_code": HERE,
        "fixmedins_name": "示例医院", "sign_no": "", **changes,
    }  # fmt: skip


def audit(infno: str = "3102", **data: Any) -> dict[str, Any]:
    told = {"syscode": "HIS", "patient_dtos": [patient()], "rule_ids": [], "task_id": "T-1", "trig_scen": "6", **data}
    return {**head(infno), "input": {"data": told}}


def feedback(**data: Any) -> dict[str, Any]:
    warns = [
        {"warn_rslt_id": "a" * 32, "dspo_way": "1", "dspo_way_rea": "病情需要，外出两个月"},
        {"warn_rslt_id": "b" * 32, "dspo_way": "2", "dspo_way_rea": ""},
    ]
    return {**head("3103"), "input": {"data": {"warn_type": "2", "warns": warns, **data}}}


def changed(body: dict[str, Any], path: str, value: Any = None, *, gone: bool = False) -> dict[str, Any]:
    """The body with one field, by its path, set to something else or taken out."""
    copied = copy.deepcopy(body)
    steps: list[Any] = [
        int(step) if step.isdigit() else step for step in path.replace("[", ".").replace("]", "").split(".")
    ]
    node: Any = copied
    for step in steps[:-1]:
        node = node[step]
    if gone:
        del node[steps[-1]]
    else:
        node[steps[-1]] = value
    return copied


def finding(**changes: Any) -> Finding:
    told: dict[str, Any] = {
        "rule_id": "frequent_visits.days_supply", "rule_version": 1, "title": "提前取药", "subject_type": "person",
        "light": "red", "severity": "1", "score": 0.9, "explanation": "本次取药前仍有 41 天用量。", "basis": "长期处方管理规范",
        "evidence": "2025-05-20 在他院取同一通用名 60 天用量。", "order_ids": ["RX1"], "amount": Decimal("70.40"), **changes,
    }  # fmt: skip
    return Finding(**told)
