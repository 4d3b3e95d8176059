"""The national envelope and its objects, field by field: what is read, what is required, and what the tables and schemas say of them.

Lengths and the mark "Y" are those of one provincial edition (the official text is not public), so they are told and not all enforced:
what identifies is required and bounded, everything else may be missing, longer, or of a code nobody has heard of.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from operator import mul
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

MOST_PATIENTS: Final = 20
MOST_ORDERS: Final = 500
"""In one request. The longest inpatient days of a large hospital stay below; more is a whole stay sent again and again."""

_LONGEST_CODE: Final = 32
_LONGEST_TRACE_CODE: Final = 128
_MONEY: Final = Decimal(10) ** 14
_QUANTITY: Final = Decimal(10) ** 12
_DAYS: Final = Decimal(10_000)
_ID_NUMBER: Final = re.compile(r"\d{17}[\dXx]", re.ASCII)
_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
"""GB 11643: the last character of an ID number follows from the others."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", re.ASCII)

T = TypeVar("T")


def _wire_time(text: str) -> str:
    if _TIME.fullmatch(text):
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            if 2000 <= at.year < 2100:
                return f"{text[:10]} {text[11:]}"
    raise ValueError("expected a time from 2000 to 2099 as yyyy-MM-dd HH:mm:ss")


def _token(text: str) -> str:
    if (
        _ID_NUMBER.fullmatch(text)
        and "10X98765432"[sum(map(mul, _ID_WEIGHTS, map(int, text[:17]))) % 11] == text[17:].upper()
    ):
        raise ValueError("expected a token made by the core, never an ID number")
    return text


def _as_list(value: object) -> object:
    return [value] if isinstance(value, dict | str) else value


class _OrOne:
    """Says in the published schema that the only element may stand without its list."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core)
        return {"anyOf": [schema, schema["items"]]}


def _as_text(value: object) -> object:
    return str(value) if type(value) is int else value


WireTime = Annotated[str, AfterValidator(_wire_time)]
OneOrTwo = Annotated[Literal["1", "2"], BeforeValidator(_as_text)]
ListOrOne = Annotated[list[T], BeforeValidator(_as_list), _OrOne()]
"""A list, or its only element without one: both are seen, and XML cannot tell them apart."""
Number = Decimal | None
Token = Annotated[str, AfterValidator(_token)] | None
Text = str | None


def notes(kind: str, needed: str) -> dict[str, Any]:
    """What the tables of the page say of a field: its national type and whether the national table requires it."""
    return {"x-national-type": kind, "x-national-required": needed}


def need(meaning: str, length: int, *, most: int = 0, kind: str = "str") -> Any:
    """What identifies: required, not blank, at most ``most`` characters (or the national length)."""
    return Field(
        min_length=1, max_length=most or length, description=meaning, json_schema_extra=notes(f"{kind} {length}", "Y")
    )


def text(meaning: str, length: int, needed: str = "", *, most: int | None = None, personal: bool = False) -> Any:
    """Text that may be missing; ``personal`` text is never kept."""
    return Field(
        default=None, max_length=most, description=meaning, exclude=personal,
        json_schema_extra=notes(f"str {length}", needed),
    )  # fmt: skip


def code(meaning: str, length: int, needed: str = "") -> Any:
    """A coded value: any code is taken."""
    marks = notes(f"str {length}, coded", needed)
    return Field(default=None, max_length=_LONGEST_CODE, description=meaning, json_schema_extra=marks)


def when(meaning: str, needed: str = "", kind: str = "datetime") -> Any:
    """A date or time that may be missing or written in any way."""
    return Field(default=None, description=meaning, json_schema_extra=notes(kind, needed))


def number(meaning: str, size: str, needed: str = "", *, limit: Decimal = _MONEY) -> Any:
    """A number that may be missing; text that holds one is as good."""
    return Field(default=None, gt=-limit, lt=limit, description=meaning, json_schema_extra=notes(f"num {size}", needed))


def need_number(meaning: str, size: str, *, limit: Decimal = _MONEY) -> Any:
    """A number that must come."""
    return Field(gt=-limit, lt=limit, description=meaning, json_schema_extra=notes(f"num {size}", "Y"))


def listed(meaning: str, needed: str = "", *, other_name: tuple[str, ...] = (), most: int | None = None) -> Any:
    """A list that may be missing or empty; ``other_name`` are all its names, the national one first."""
    return Field(
        default_factory=list, max_length=most, description=meaning, json_schema_extra=notes("list", needed),
        validation_alias=AliasChoices(*other_name) if other_name else None,
    )  # fmt: skip


def node(meaning: str) -> Any:
    """An object that must come."""
    return Field(description=meaning, json_schema_extra=notes("object", "Y"))


class Dto(BaseModel):
    """Base of all objects of the envelope: numbers may stand for text, unknown fields are kept out."""

    model_config = ConfigDict(
        extra="ignore", str_strip_whitespace=True, coerce_numbers_to_str=True, hide_input_in_errors=True
    )


class Diagnosis(Dto):
    """诊断信息: a diagnosis of the visit."""

    dise_id: Text = text("诊断记录唯一标识", 50)
    inout_dise_type: Text = code("诊断类别：1 入院诊断，2 出院诊断", 3)
    maindise_flag: Text = code("主诊断标志：1 是，0 否", 3)
    dias_srt_no: Text = text("诊断排序号", 2)
    dise_codg: Text = text("诊断编码（ICD-10 医保版）", 30, most=128)
    dise_name: Text = text("诊断名称", 200)
    dise_date: Text = when("诊断时间")


class Order(Dto):
    """处方（医嘱）信息: an order, current or past."""

    rx_id: str = need("处方（医嘱）标识：记录唯一", 50)
    rxno: Text = text("处方号", 20, "Y")
    grpno: Text = text("组编号", 20)
    long_drord_flag: Text = code("是否为长期医嘱：1 是，0 否", 3, "Y")
    hilist_type: Text = code(
        "目录类别：101 西药中成药，102 中药饮片，106 中药颗粒，201 医疗服务项目，301 医用耗材", 3, "Y"
    )
    chrg_type: Text = code("收费类别", 3, "Y")
    drord_bhvr: Text = code("医嘱行为：0 其他，1 出院带药", 3, "Y")
    hilist_code: str = need("医保目录代码（国家统一编码）", 20, most=50)
    hilist_name: Text = text("医保目录名称", 50, "Y")
    hilist_dosform: Text = text("医保目录（药品）剂型", 50)
    hilist_lv: Text = code("医保目录等级：01 甲，02 乙，03 丙", 3, "Y")
    hilist_pric: Number = number("医保目录价格", "16,2", "Y")
    lv1_hosp_item_pric: Number = number("一级医院目录价格", "16,2")
    lv2_hosp_item_pric: Number = number("二级医院目录价格", "16,2")
    lv3_hosp_item_pric: Number = number("三级医院目录价格", "16,2")
    hilist_memo: Text = text("医保目录备注", 200)
    hosplist_code: Text = text("医院目录代码", 20, "Y")
    hosplist_name: Text = text("医院目录名称", 50, "Y")
    hosplist_dosform: Text = text("医院目录（药品）剂型", 20)
    cnt: Decimal = need_number("数量（销售单位）", "6,2", limit=_QUANTITY)
    pric: Number = number("单价", "16,2", "Y")
    sumamt: Decimal = need_number("总费用", "16,2")
    ownpay_amt: Number = number("自费金额", "16,2", "Y")
    selfpay_amt: Number = number("自付金额", "16,2", "Y")
    spec: Text = text("规格，如 0.25g×12片/盒", 100, "Y")
    spec_unt: Text = text("数量单位，如 盒", 20, "Y")
    drord_begn_date: Text = when("医嘱开始日期", "Y")
    drord_stop_date: Text = when("医嘱停止日期")
    drord_dept_codg: Text = text("下达医嘱的科室标识", 30, "Y")
    drord_dept_name: Text = text("下达医嘱的科室名称", 50, "Y")
    drord_dr_codg: Text = text("开处方（医嘱）医生标识", 30, "Y")
    drord_dr_name: Text = text("开处方（医嘱）医生姓名", 30, "Y", personal=True)
    drord_dr_profttl: Text = code("开处方（医嘱）医生职称", 3, "Y")
    curr_drord_flag: Text = code("是否当前处方（医嘱）：1 本次，0 历史；不填视为本次", 3, "Y")
    prd_days: Number = number("周期天数（扩展：可供天数）", "4,2", "ext.", limit=_DAYS)
    drug_trac_codg: ListOrOne[Annotated[str, Field(min_length=1, max_length=_LONGEST_TRACE_CODE)]] = listed(
        "药品追溯码（扩展）", "ext."
    )


class Operation(Dto):
    """手术操作信息: an operation."""

    setl_list_oprn_id: Text = text("手术操作ID", 30, "Y")
    oprn_code: Text = text("手术操作代码", 30)
    oprn_name: Text = text("手术操作名称", 500)
    main_oprn_flag: Text = code("主手术操作标志", 3, "Y")
    oprn_date: Text = when("手术操作日期", kind="date")
    anst_way: Text = text("麻醉方式", 30)
    oper_dr_name: Text = text("术者医师姓名", 50, personal=True)
    oper_dr_code: Text = text("术者医师代码", 30)
    anst_dr_name: Text = text("麻醉医师姓名", 50, personal=True)
    anst_dr_code: Text = text("麻醉医师代码", 30)


class Encounter(Dto):
    """就诊信息: a visit, the current one or one before it."""

    mdtrt_id: str = need("就诊标识：就诊记录唯一", 50)
    medins_id: str = need("医疗服务机构标识：本次就诊须与 fixmedins_code 相同", 50)
    medins_name: Text = text("医疗机构名称", 200, "Y")
    medins_admdvs: Text = text("医疗机构行政区划编码", 6, "Y", most=_LONGEST_CODE)
    medins_type: Text = code("医疗服务机构类型", 3, "Y")
    medins_lv: Text = code("医疗机构等级", 3, "Y")
    wardarea_codg: Text = text("病区标识", 20)
    wardno: Text = text("病房号", 20)
    bedno: Text = text("病床号", 20)
    adm_date: Text = when("入院日期（住院须填）", "Y")
    dscg_date: Text = when("出院日期", "Y")
    dscg_main_dise_codg: Text = text("主诊断编码", 20, "Y", most=128)
    dscg_main_dise_name: Text = text("主诊断名称", 50, "Y")
    fsi_diagnose_dtos: ListOrOne[Diagnosis] = listed(
        "诊断信息集合", "Y", other_name=("fsi_diagnose_dtos", "diagnose_dtos")
    )
    dr_codg: Text = text("医师标识", 20, "Y")
    adm_dept_codg: Text = text("入院科室标识", 20, "Y")
    adm_dept_name: Text = text("入院科室名称", 50, "Y")
    dscg_dept_codg: Text = text("出院科室标识", 20, "Y")
    dscg_dept_name: Text = text("出院科室名称", 50, "Y")
    med_mdtrt_type: Text = code("就诊类型：1 门诊，2 住院，3 购药，4 其他", 3, "Y")
    med_type: str = need("医疗类别：11 门诊，13 急诊，14 门诊慢特病，21 住院，41 药店购药", 3, most=_LONGEST_CODE)
    fsi_order_dtos: ListOrOne[Order] = listed(
        "处方（医嘱）信息集合", "Y", other_name=("fsi_order_dtos", "order_dtos"), most=MOST_ORDERS
    )
    matn_stas: Text = code("生育状态：0 其他，1 妊娠，2 哺乳", 3, "Y")
    medfee_sumamt: Number = number("总费用；不填按本次处方合计", "16,2", "Y")
    ownpay_amt: Number = number("自费金额", "16,2", "Y")
    selfpay_amt: Number = number("自付金额", "16,2", "Y")
    acct_payamt: Number = number("个人账户支付金额", "16,2")
    ma_amt: Number = number("救助金支付金额", "16,2")
    hifp_payamt: Number = number("统筹金支付金额；不填按 0", "16,2")
    setl_totlnum: Text = Field(default=None, description="结算总次数", json_schema_extra=notes("num 4", "Y"))
    insutype: Text = code("险种", 3, "Y")
    reim_flag: Text = code("报销标志", 3, "Y")
    out_setl_flag: Text = code("异地结算标志", 3, "Y")
    fsi_operation_dtos: ListOrOne[Operation] = listed(
        "手术操作集合", other_name=("fsi_operation_dtos", "operation_dtos")
    )
    agnter_certno: Token = text("代办人证件号的令牌（扩展；不得传明文）", 50, "ext.", most=128, personal=True)
    agnter_rlts: Text = code("代办人关系：1 家属，7 养老机构，9 其他（扩展）", 3, "ext.")
    long_rx_flag: Text = code("长期处方标志：1 是（扩展）", 3, "ext.")


class PatientDto(Dto):
    """参保人信息: an insured person with the visits to look at."""

    patn_id: str = need("参保人标识：核心系统的 psn_no", 50)
    patn_name: Text = text("姓名", 50, "Y", personal=True)
    gend: Text = code("性别：1 男，2 女", 3, "Y")
    brdy: Text = when("出生日期", "Y", kind="date")
    poolarea: Text = text("参保人所属统筹区", 10, "Y")
    curr_mdtrt_id: Text = text("当前就诊标识", 50, "Y", most=50)
    fsi_encounter_dtos: ListOrOne[Encounter] = listed(
        "就诊信息集合", "Y", other_name=("fsi_encounter_dtos", "encounter_dtos")
    )
    fsi_his_data_dto: Any = Field(
        default=None, exclude=True, description="医院信息集合：不读取，不保存", json_schema_extra=notes("list/obj", "")
    )
    agnter_certno: Token = text("代办人证件号的令牌（扩展；不得传明文）", 50, "ext.", most=128, personal=True)
    agnter_rlts: Text = code("代办人关系（扩展）", 3, "ext.")
    long_rx_flag: Text = code("长期处方标志：1 是（扩展）", 3, "ext.")


class AuditData(Dto):
    """`input.data` of 3101 and 3102."""

    syscode: Text = text("系统编码", 10, "Y")
    patient_dtos: ListOrOne[PatientDto] = Field(
        min_length=1, max_length=MOST_PATIENTS, description="参保人信息集合", json_schema_extra=notes("list", "Y")
    )
    rule_ids: ListOrOne[Annotated[str, Field(max_length=200)]] = listed("规则标识集合：只回答这些规则；不填为全部")
    task_id: Text = text("任务ID，原样返回（3101）", 50, most=128)
    trig_scen: Text = code("触发场景：1 门诊挂号，2 门诊收费登记，3 住院登记，4 住院收费登记，5 住院执行医嘱，6 门诊结算，7 门诊预结算，"
                            "8 住院结算，9 住院预结算", 3, "cond.")  # fmt: skip


class AuditInput(Dto):
    """`input` of 3101 and 3102."""

    data: AuditData = node("交易数据")


class Warn(Dto):
    """What was done about one finding."""

    warn_rslt_id: str = need("违规标识：应答中的 jr_id", 50)
    dspo_way: OneOrTwo = Field(
        description="处理方式：1 继续执行医嘱，2 返回修改医嘱", json_schema_extra=notes("str 3, coded", "Y")
    )
    dspo_way_rea: Text = text("处理原因：dspo_way 为 1 时必填", 500, "cond.")


class FeedbackData(Dto):
    """`input.data` of 3103."""

    warn_type: OneOrTwo = Field(description="反馈类型：1 事前，2 事中", json_schema_extra=notes("str 3, coded", "Y"))
    warns: ListOrOne[Warn] = Field(
        min_length=1, max_length=MOST_ORDERS, description="反馈信息集合", json_schema_extra=notes("list", "Y")
    )


class FeedbackInput(Dto):
    """`input` of 3103."""

    data: FeedbackData = node("交易数据")


class Envelope(Dto):
    """The head that all transactions share."""

    infno: str = need("交易编号：与路径相同", 4)
    msgid: str = need("发送方报文ID：fixmedins_code(12) + yyyyMMddHHmmss(14) + 流水(4)", 30)
    mdtrtarea_admvs: Text = Field(
        default=None, max_length=_LONGEST_CODE, description="就医地医保区划（拼写为 admvs）",
        json_schema_extra=notes("str 6", "Y"), validation_alias=AliasChoices("mdtrtarea_admvs", "mdtrtarea_admdvs"),
    )  # fmt: skip
    insuplc_admdvs: Text = text("参保地医保区划：3101、3102 必填", 6, "cond.", most=_LONGEST_CODE)
    recer_sys_code: Text = text("接收方系统代码", 10, "Y")
    dev_no: Text = text("设备编号", 100, most=100)
    dev_safe_info: Text = text("设备安全信息：不保存", 2000, personal=True)
    cainfo: Text = text("数字签名：不验，不保存", 1024, personal=True)
    signtype: Text = text("签名类型", 10)
    infver: Text = text("接口版本：V1.0 或 1.0", 6)
    opter_type: str = need("经办人类别：1 经办人，2 自助终端，3 移动终端", 3)
    opter: Text = text("经办人", 30, "Y", most=128)
    opter_name: Text = text("经办人姓名", 50, "Y", personal=True)
    inf_time: WireTime = need("交易时间", 19, kind="datetime")
    fixmedins_code: str = need("定点医药机构编号", 12)
    fixmedins_name: Text = text("定点医药机构名称", 20, "Y")
    sign_no: Text = text("交易签到流水号：不保存", 30, personal=True)


class AuditRequest(Envelope):
    """3101 明细审核事前分析服务, 3102 明细审核事中分析服务."""

    insuplc_admdvs: str = Field(
        min_length=1, max_length=_LONGEST_CODE, description="参保地医保区划", json_schema_extra=notes("str 6", "cond.")
    )
    input: AuditInput = node("交易输入")


class FeedbackRequest(Envelope):
    """3103 事前事中服务反馈服务."""

    input: FeedbackInput = node("交易输入")
