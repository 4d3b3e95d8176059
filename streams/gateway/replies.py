"""The national answer, field by field; what it does not know of (`undecided`, `reminders`) is marked as an extension."""

from __future__ import annotations

from pydantic import Field

from streams.gateway.dtos import Dto, ListOrOne, Text, listed, need, notes, text
from streams.gateway.reminder import InHand, Standing, Treatment, Visit, Visits


class ResultDetail(Dto):
    """`judge_result_detail_dtos[]`: an order a finding is about."""

    jrd_id: str = need("违规明细标识", 50)
    patn_id: str = need("参保人标识", 50)
    mdtrt_id: Text = text("就诊标识", 50)
    rx_id: Text = text("处方（医嘱）标识", 50)
    vola_item_type: str = need("违规明细类型：1 违规项，2 涉及项", 3, kind="str, coded")
    vola_amt: float = Field(description="违规金额", json_schema_extra=notes("num 16,2", "Y"))


class Result(Dto):
    """`result[]`: a finding."""

    jr_id: str = need("违规标识：3103 的 warn_rslt_id", 50)
    rule_id: str = need("规则ID", 50)
    rule_name: str = need("规则名称", 200)
    vola_cont: str = need("违规内容", 500)
    patn_id: str = need("参保人标识", 50)
    mdtrt_id: Text = text("就诊标识", 50)
    judge_result_detail_dtos: ListOrOne[ResultDetail] = listed("违规明细集合", "Y")
    vola_amt: float = Field(description="违规金额", json_schema_extra=notes("num 16,2", "Y"))
    vola_amt_stas: str = need("违规金额计算状态：1 已计算", 3, kind="str, coded")
    sev_deg: str = need("严重程度：1 明确违规，2 高度可疑，3 轻度可疑（由规则文件配置）", 3, kind="str, coded")
    vola_evid: Text = text("违规依据", 500)
    vola_bhvr_type: str = need("违规行为分类：1 行为类", 3, kind="str, coded")
    task_id: Text = text("任务ID（3101）", 50)


class Reminder(Dto):
    """`reminders[]`: what is known of a person before the visit (事前提醒), as far as the caller may see it."""

    patn_id: str = need("参保人标识", 50)
    visits: ListOrOne[Visit] = listed("近期就诊")
    medication: ListOrOne[InHand] = listed("剩余用药")
    series: ListOrOne[Treatment] = listed("进行中的系列治疗")
    findings: ListOrOne[Standing] = listed("未结的提示")
    counts: ListOrOne[Visits] = listed("就诊次数")


class Output(Dto):
    """`output` of 3101 and 3102; empty for 3103 and for failures."""

    result: ListOrOne[Result] = listed("违规结果集合：空为通过")
    undecided: bool | None = Field(
        default=None,
        description="true：期限内没有结论，按未提示处理，不得阻断就诊",
        json_schema_extra=notes("bool", "ext."),
    )
    reminders: ListOrOne[Reminder] = listed("事前提醒：没有本次处方的参保人", "ext.")


class Reply(Dto):
    """The answer to every transaction."""

    infcode: int = Field(description="交易状态码：0 成功，负数失败", json_schema_extra=notes("num 4", "Y"))
    inf_refmsgid: str = need("接收方报文ID：区划(6) + yyyyMMddHHmmss(14) + 流水(10)", 30)
    refmsg_time: Text = text("接收报文时间 yyyyMMddHHmmssSSS", 17)
    respond_time: Text = text("响应报文时间 yyyyMMddHHmmssSSS", 17)
    err_msg: Text = text("错误信息：字段路径与原因", 200)
    output: Output | None = Field(default=None, description="交易输出", json_schema_extra=notes("object", ""))
