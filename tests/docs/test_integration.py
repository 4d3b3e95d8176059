"""docs/integration.md: its tables are those of the models, its examples are sent to a real gateway with a real worker and answered so."""

from __future__ import annotations

import copy
import csv
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from detectors import load_rules
from streams.access import issue_token
from streams.gateway import faces
from streams.gateway.app import build
from streams.gateway.calls import INFCODES
from streams.gateway.dtos import MOST_ORDERS, MOST_PATIENTS
from streams.gateway.envelope import Reply, judged, parse_audit, parse_feedback
from streams.gateway.publish import PAGE, filled, main, models, tables
from streams.gateway.settings import GatewaySettings
from tests.streams.conftest import install
from tests.streams.gateway.messages import finding
from tests.streams.installation import PARTITIONS, Installation

__all__ = ["install"]  # a fixture
TEXT = PAGE.read_text("utf-8")
BLOCKS = {
    block["name"]: block["text"]
    for block in re.finditer(r"^```(?:json|xml) (?P<name>[\w ]+)\n(?P<text>.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
}
EXAMPLES = {name: json.loads(text) for name, text in BLOCKS.items() if not name.startswith("soap")}
ASKED = EXAMPLES["3102 request"]
(PERSON,) = (one["patn_id"] for one in ASKED["input"]["data"]["patient_dtos"])
HERE = ASKED["fixmedins_code"]
ITEM = ASKED["input"]["data"]["patient_dtos"][0]["fsi_encounter_dtos"][0]["fsi_order_dtos"][0]["hilist_code"]


# the tables -----------------------------------------------------------------------------------------------------------


def test_every_table_is_current() -> None:
    """After a change of a model: make schemas."""
    assert filled(TEXT) == TEXT
    assert main(["--check"]) == 0


def test_every_field_of_every_object_has_its_row() -> None:
    found = tables()
    assert {"Envelope", "Order", "Encounter", "Warn", "Reply", "Result", "ResultDetail"} <= found.keys()
    for name, model in models().items():
        for field in model.model_fields:
            assert f"\n| `{field}` |" in found[name] or field == "input"
    assert "| `rx_id` | str 50 | Y | Y | 50 | 处方（医嘱）标识：记录唯一 |" in found["Order"]


def test_a_table_without_its_place_is_noticed() -> None:
    with pytest.raises(ValueError, match="Order"):
        filled(TEXT.replace("<!-- table: Order -->", "<!-- table: Odrer -->"))
    with pytest.raises(ValueError, match="stand twice"):
        filled(TEXT + "<!-- table: Order -->\n<!-- end -->\n")


def test_every_code_is_explained_and_none_is_invented() -> None:
    codes = re.findall(r"^\| (-?\d+) \| [\d, ]+ \|", TEXT, re.MULTILINE)
    assert [int(code) for code in codes] == list(INFCODES)


def test_limits_and_deadlines_are_those_installed() -> None:
    fields = GatewaySettings.model_fields
    for name, told in re.findall(r"\| ([\d,]+)[^|]*\(`(GATEWAY_\w+)`\)", TEXT):
        assert fields[told.lower()].default == int(name.replace(",", "")), told
    assert f"| persons and orders in a request | {MOST_PATIENTS} and {MOST_ORDERS} |" in TEXT
    assert len(re.findall(r"\(`GATEWAY_\w+`\)", TEXT)) == 5


# the examples, read ----------------------------------------------------------------------------------------------------


def test_the_examples_are_messages_of_the_interface() -> None:
    for infno in ("3101", "3102"):
        call = parse_audit(infno, EXAMPLES[f"{infno} request"])
        assert (call.persons[0].bill is None) == (infno == "3101")
        assert re.fullmatch(rf"{HERE}\d{{14}}\d{{4}}", call.msgid)
    assert parse_feedback(EXAMPLES["3103 request"]).warns[0][1] == "1"
    for infno in ("3101", "3102", "3103"):
        told = EXAMPLES[f"{infno} answer"]
        assert Reply.model_validate(told).model_dump(exclude_unset=True) == told


def test_the_ids_of_the_examples_belong_together() -> None:
    (result,) = EXAMPLES["3102 answer"]["output"]["result"]
    rule = load_rules().rule(result["rule_id"])
    assert result["rule_name"] == rule.title
    assert [warn["warn_rslt_id"] for warn in EXAMPLES["3103 request"]["input"]["data"]["warns"]] == [result["jr_id"]]


def test_the_soap_example_is_the_first_one_and_as_the_wsdl_says() -> None:
    face, infno, body = faces.from_xml(BLOCKS["soap request"].encode())
    assert (face, infno) == ("soap", "3102")
    assert parse_audit(infno, body).persons == parse_audit("3102", ASKED).persons
    page = etree.fromstring(faces.wsdl("http://gateway/ws/audit").encode())
    schema = etree.XMLSchema(page.find(".//{http://www.w3.org/2001/XMLSchema}schema"))
    asked = etree.fromstring(BLOCKS["soap request"].encode()).find(f"{{{faces.SOAP}}}Body")[0]
    assert schema.validate(asked), schema.error_log
    fault = etree.fromstring(BLOCKS["soap fault"].encode()).find(f".//{{{faces.SOAP}}}Fault")
    assert fault.findtext("faultstring") == "input.data.patient_dtos[0].patn_id: required, and none came"
    assert schema.validate(fault.find("detail")[0])


# the examples, sent ----------------------------------------------------------------------------------------------------


def bought(number: int, at: str, place: str, care: str, boxes: int) -> bytes:
    """A settlement the page speaks of: metformin, ten days a box."""
    cost = f"{boxes * 35.2:.2f}"
    line = {
        "feedetl_sn": "1", "med_list_codg": ITEM, "list_type": "101", "cnt": boxes, "pric": "35.20", "det_item_fee_sumamt": cost,
        "prd_days": boxes * 10,
    }  # fmt: skip
    return json.dumps(
        {
            "event_id": f"E{number}", "event_type": "SETTLE", "setl_id": f"S{number}", "mdtrt_id": f"M{number}", "psn_no": PERSON,
            "med_type": care, "setl_time": at, "fixmedins_code": place, "medfee_sumamt": cost, "fund_pay_sumamt": f"{boxes * 31.68:.2f}",
            "gend": "1", "brdy": "1960-02-03", "insuplc_admdvs": "310101", "mdtrtarea_admvs": "310101", "lines": [line],
        }
    ).encode()  # fmt: skip


BEFORE = [
    bought(1, "2025-04-22 10:12:40", HERE, "11", 6),
    bought(2, "2025-05-09 14:30:02", "H31010400002", "11", 6),
    bought(3, "2025-05-28 15:02:11", "P31010400003", "41", 3),
]


@pytest.fixture
def listed(tmp_path: Path) -> dict[str, str]:
    """Reference files with what the page speaks of."""
    drugs, institutions = tmp_path / "drugs.csv", tmp_path / "institutions.csv"
    with drugs.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([
            ["med_list_codg", "generic", "generic_code", "pack_days", "pric", "monitored"],
            [ITEM, "盐酸二甲双胍片", "A10BA02", 10, "35.20", 0],
        ])  # fmt: skip
    with institutions.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([
            ["fixmedins_code", "fixmedins_name", "fixmedins_type", "hosp_lv", "mdtrtarea_admvs", "lat", "lon"],
            [HERE, "示例医院", 1, "03", "310101", 31.23, 121.48],
            ["H31010400002", "示例二院", 1, "03", "310104", 31.19, 121.43],
            ["P31010400003", "示例药店", 2, "11", "310104", 31.19, 121.44],
        ])  # fmt: skip
    return {"drugs": str(drugs), "institutions": str(institutions)}


def content(told: dict[str, Any]) -> dict[str, Any]:
    """An answer without when it was given and under which number."""
    return {name: value for name, value in told.items() if name not in {"inf_refmsgid", "refmsg_time", "respond_time"}}


def another(body: Any, number: int) -> Any:
    return copy.deepcopy(body) | {"msgid": f"{body['msgid'][:-4]}{number:04d}"}


@pytest.mark.embedded
async def test_the_examples_are_answered_as_the_page_says(
    install: Callable[..., Installation], listed: dict[str, str], tmp_path: Path
) -> None:
    here = install(**listed)
    worker = here.start()
    here.wait(lambda: here.assignments(worker) > 0)
    here.publish(BEFORE)
    here.wait(here.settled)
    tokens = tmp_path / "tokens.toml"
    token = issue_token(tokens, name="his", role="his", institution_id=HERE)
    settings = GatewaySettings(
        kafka=here.kafka, topic_prefix=here.prefix, partitions=PARTITIONS, tokens=tokens,
        drugs=Path(listed["drugs"]), institutions=Path(listed["institutions"]),
        gateway_outpatient_seconds=10,
    )  # fmt: skip
    app = build(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://gateway", headers={"Authorization": f"Bearer {token}"}
        ) as client,
    ):
        deadline = time.monotonic() + 30
        while (await client.get("/readyz")).json() != {"status": "ready"}:
            assert time.monotonic() < deadline
        for infno in ("3101", "3102", "3103"):
            asked = EXAMPLES[f"{infno} request"]
            told = await client.post(f"/api/{infno}", json=asked)
            assert told.status_code == 200, told.text
            assert content(told.json()) == content(EXAMPLES[f"{infno} answer"])
            again = await client.post(f"/api/{infno}", json=asked)
            assert again.content == told.content
        # the same on the other faces: only the message's own number, and so the ids of its findings, differ
        call = parse_audit("3102", another(ASKED, 18))
        envelope = BLOCKS["soap request"].replace(ASKED["msgid"], call.msgid)
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        soap = await client.post("/ws/audit", content=envelope.encode(), headers=headers)
        assert soap.status_code == 200, soap.text
        (result,) = etree.fromstring(soap.content).iterfind(f".//{{{faces.NAMESPACE}}}result")
        (expected,) = EXAMPLES["3102 answer"]["output"]["result"]
        assert result.findtext(f"{{{faces.NAMESPACE}}}vola_cont") == expected["vola_cont"]
        nobody = another(ASKED, 19)
        nobody["input"]["data"]["patient_dtos"][0].pop("patn_id")
        refused = await client.post("/api/3102", json=nobody)
        assert (refused.status_code, refused.json()["infcode"]) == (400, -102)
        assert refused.json()["err_msg"] == "input.data.patient_dtos[0].patn_id: required, and none came"
        wsdl = await client.get("/ws/audit?wsdl")
        assert b"http://gateway/ws/audit" in wsdl.content
    assert here.stop(worker) == 0


def test_the_id_of_the_finding_is_the_one_we_would_give() -> None:
    (result,) = EXAMPLES["3102 answer"]["output"]["result"]
    call = parse_audit("3102", ASKED)
    ((person_id, jr_id, _),) = judged(call, {PERSON: [finding(rule_id=result["rule_id"])]})
    assert (person_id, jr_id) == (PERSON, result["jr_id"])
