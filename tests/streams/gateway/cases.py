"""What can be wrong with a message and what is as good as right, as tables that are run on every face."""

from __future__ import annotations

from typing import Any

from tests.streams.gateway.messages import order, patient, visit

P = "input.data.patient_dtos[0]"
V = f"{P}.fsi_encounter_dtos[0]"
O = f"{V}.fsi_order_dtos[1]"  # noqa: E741  the order
W = "input.data.warns[1]"


AUDIT_REQUIRED = [
    "infno", "msgid", "insuplc_admdvs", "opter_type", "inf_time", "fixmedins_code", "input", "input.data", "input.data.patient_dtos",
    f"{P}.patn_id", f"{P}.fsi_encounter_dtos", f"{V}.mdtrt_id", f"{V}.medins_id", f"{V}.med_type", f"{O}.rx_id", f"{O}.hilist_code",
    f"{O}.cnt", f"{O}.sumamt",
]  # fmt: skip
FEEDBACK_REQUIRED = [
    "infno", "msgid", "opter_type", "inf_time", "fixmedins_code", "input", "input.data", "input.data.warn_type",
    "input.data.warns", f"{W}.warn_rslt_id", f"{W}.dspo_way", "input.data.warns[0].dspo_way_rea",
]  # fmt: skip


AUDIT_WRONG: list[tuple[str, Any]] = [
    ("infno", "3101"), ("infno", "2207"), ("msgid", "x" * 31), ("msgid", ["x"]), ("msgid", True), ("fixmedins_code", "H" * 13),
    ("inf_time", "2025-06-31 00:00:00"), ("inf_time", "03/06/2025"), ("inf_time", "1999-12-31 23:59:59"),
    ("inf_time", "2025-06-03 09:10"), ("inf_time", "20250603091000"), ("opter_type", "1234"), ("opter_type", {}),
    ("insuplc_admdvs", "3" * 33), ("input", "data"), ("input", []), ("input.data", 1), ("input.data.patient_dtos", 5),
    ("input.data.patient_dtos", [patient(patn_id=str(n)) for n in range(21)]), (P, "P1"),
    (f"{P}.patn_id", "x" * 51), (f"{P}.patn_id", {}), (f"{P}.curr_mdtrt_id", "x" * 51), (f"{P}.fsi_encounter_dtos", 3),
    (f"{V}.mdtrt_id", "x" * 51), (f"{V}.medins_id", "H31010100002"), (f"{V}.med_type", "1" * 33), (f"{V}.medfee_sumamt", "many"),
    (f"{V}.medfee_sumamt", "NaN"), (f"{V}.medfee_sumamt", -1), (f"{V}.hifp_payamt", "-0.01"), (f"{V}.acct_payamt", 10**14),
    (f"{V}.fsi_order_dtos", [order(n) for n in range(501)]), (f"{V}.fsi_order_dtos", 7), (f"{O}.rx_id", "x" * 51),
    (f"{O}.rx_id", "RX1"), (f"{O}.hilist_code", "x" * 51), (f"{O}.cnt", "two"), (f"{O}.cnt", -1), (f"{O}.cnt", True),
    (f"{O}.cnt", "Infinity"), (f"{O}.sumamt", "1,200.00"), (f"{O}.sumamt", -70.4), (f"{O}.sumamt", [70.4]), (f"{O}.pric", -1),
    (f"{O}.prd_days", 10_000), (f"{O}.prd_days", -1), (f"{O}.hilist_name", {"zh": "x"}), (f"{O}.drug_trac_codg[0]", "x" * 129),
    ("input.data.trig_scen", []), ("input.data.rule_ids", True), ("dev_no", "x" * 101),
]  # fmt: skip


FEEDBACK_WRONG: list[tuple[str, Any]] = [
        ("infno", "3102"), ("input.data.warn_type", "3"), ("input.data.warns", 1), (f"{W}.dspo_way", "3"), (W, "x"),
        (f"{W}.warn_rslt_id", "x" * 51), (f"{W}.dspo_way_rea", ["x"]),
    ]  # fmt: skip

SAME: list[tuple[str, Any]] = [
    ("infno", 3102), ("infver", "1.0"), ("infver", "2.0"), ("inf_time", "2025-06-03T09:10:00"), ("opter_type", 1),
    ("input.data.patient_dtos", patient()), (f"{P}.fsi_encounter_dtos", visit()), (f"{P}.fsi_his_data_dto", [{"any": {"thing": 1}}]),
    (f"{P}.brdy", "19600203"), (f"{P}.brdy", "1960-02-03 00:00:00"), (f"{P}.curr_mdtrt_id", ""), (f"{P}.gend", 1),
    (f"{V}.fsi_diagnose_dtos", visit()["fsi_diagnose_dtos"][0]), (f"{V}.medfee_sumamt", 140.8), (f"{V}.medfee_sumamt", ""),
    (f"{V}.med_type", 11), (f"{V}.fsi_operation_dtos", ""), (f"{V}.adm_date", "whenever"), (f"{O}.cnt", "2"), (f"{O}.cnt", " 2.00 "),
    (f"{O}.sumamt", "70.40"), (f"{O}.drug_trac_codg", "81000000000000000001"), (f"{O}.curr_drord_flag", ""), (f"{O}.hilist_lv", "ZZ"),
    (f"{O}.drord_begn_date", "3 June"), (f"{V}.insutype", 310), (f"{O}.unheard_of", {"a": [1]}), ("nodes", [[[]]]),
    ("fixmedins_name", "很长的机构名称" * 20), (f"{O}.spec", "x" * 500), (f"{O}.rx_id", "  RX2  "),
]  # fmt: skip


LENIENT = {
    "recer_sys_code", "dev_no", "opter", "opter_name", "fixmedins_name", "mdtrtarea_admvs", "input.data.syscode", "input.data.trig_scen",
    "input.data.rule_ids", "input.data.task_id", f"{P}.patn_name", f"{P}.gend", f"{P}.brdy", f"{P}.poolarea", f"{P}.curr_mdtrt_id",
    *(f"{V}.{name}" for name in visit() if name not in {"mdtrt_id", "medins_id", "med_type"}),
    *(f"{O}.{name}" for name in order(1) if name not in {"rx_id", "hilist_code", "cnt", "sumamt"}),
}  # fmt: skip
