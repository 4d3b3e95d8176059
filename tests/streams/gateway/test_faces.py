"""XML and SOAP say what JSON says: the same tables on every face, a SOAP client built from the WSDL, and hostile XML."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
import xmltodict
import zeep
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from streams.gateway import faces
from streams.gateway.calls import (
    INTERNAL,
    MALFORMED,
    MISSING,
    TOO_LARGE,
    WRONG_VALUE,
    AuditCall,
    BadMessage,
    FeedbackCall,
)
from streams.gateway.envelope import answer, done, failure, parse_audit, parse_feedback
from tests.streams.gateway.cases import (
    AUDIT_REQUIRED,
    AUDIT_WRONG,
    FEEDBACK_REQUIRED,
    FEEDBACK_WRONG,
    LENIENT,
    SAME,
    O,
    P,
    V,
)
from tests.streams.gateway.messages import PERSON, audit, changed, feedback, finding

AT = datetime(2025, 6, 3, 9, 10, 0, 123456, ZoneInfo("Asia/Shanghai"))
LOCATION = "http://gateway.example/ws/audit"
OPERATION = {infno: name for name, infno in faces.OPERATIONS.items()}
VIEW = {
    "psn_no": "P3***",
    "visits": [
        {"at": "2025-06-01 08:00:00", "kind": "医院", "area": "310101", "care": "outpatient", "generics": ["A10BA02", "C09"], "fund": 12.5}
    ],
    "medication": [
        {"generic": "A10BA02", "name": "二甲双胍", "remaining_days": None, "runs_out_on": None, "last_collected_at": "2025-06-01 08:00:00",
         "collections": 1, "institutions": 1}
    ],
    "series": [{"reason": "dialysis", "since": "2025-05-01", "until": "2025-06-01", "visits": 12, "kind": "医院", "area": "310101"}],
    "findings": [{"title": "提前取药"}],
    "counts": [{"days": 1, "visits": 0}, {"days": 30, "visits": 4}],
}  # fmt: skip


def written(body: Any) -> str:
    """A tree as a client writes it: lists as elements that come again."""
    return str(xmltodict.unparse({"root": body}, full_document=False))[len("<root>") : -len("</root>")]


def through_json(infno: str, body: dict[str, Any]) -> Any:
    return json.loads(json.dumps(body))


def through_xml(infno: str, body: dict[str, Any]) -> Any:
    face, told, tree = faces.from_xml(f"<request>{written(body)}</request>".encode())
    assert (face, told) == ("xml", str(body.get("infno") or "").strip())
    return tree


def through_soap(infno: str, body: dict[str, Any]) -> Any:
    name = OPERATION[infno]
    envelope = (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{faces.SOAP}" xmlns:a="{faces.NAMESPACE}"><s:Header/>'
        f'<s:Body><{name} xmlns="{faces.NAMESPACE}">{written(body)}</{name}></s:Body></s:Envelope>'
    )
    face, told, tree = faces.from_xml(envelope.encode())
    assert (face, told) == ("soap", infno)
    return tree


Through = Callable[[str, dict[str, Any]], Any]
FACES = [through_json, through_xml, through_soap]
every_face = pytest.mark.parametrize("through", FACES, ids=["json", "xml", "soap"])


def read(infno: str, body: Any) -> AuditCall | FeedbackCall | BadMessage:
    try:
        return parse_feedback(body) if infno == "3103" else parse_audit(infno, body)
    except BadMessage as refused:
        return refused


def named(through: Through, path: str) -> str:
    """An element with nothing in it is one that is missing: without its data, ``input`` is empty."""
    return "input" if path == "input.data" and through is not through_json else path


def written_alike(value: Any) -> bool:
    """Whether XML can say this value at all: it has no true, no empty list, and no list of one."""
    if isinstance(value, list):
        return len(value) > 1 and all(isinstance(one, dict) for one in value)
    return not isinstance(value, bool | dict) or (isinstance(value, dict) and bool(value))


@every_face
def test_the_same_message_makes_the_same_call(through: Through) -> None:
    for infno in ("3101", "3102"):
        call = read(infno, through(infno, audit(infno)))
        expected = parse_audit(infno, audit(infno))
        assert isinstance(call, AuditCall)
        assert (call.persons, call.scene, call.task_id) == (expected.persons, expected.scene, expected.task_id)
    told, wanted = read("3103", through("3103", feedback())), parse_feedback(feedback())
    assert isinstance(told, FeedbackCall)
    assert told.warns == wanted.warns


@every_face
@pytest.mark.parametrize("path", AUDIT_REQUIRED)
def test_what_is_missing_is_named(through: Through, path: str) -> None:
    refused = read("3102", through("3102", changed(audit(), path, gone=True)))
    assert isinstance(refused, BadMessage)
    assert (refused.field, refused.infcode) == (named(through, path), MISSING)


@every_face
@pytest.mark.parametrize("path", FEEDBACK_REQUIRED)
def test_what_is_missing_from_feedback_is_named(through: Through, path: str) -> None:
    refused = read("3103", through("3103", changed(feedback(), path, gone=True)))
    assert isinstance(refused, BadMessage)
    assert (refused.field, refused.infcode) == (named(through, path), MISSING)


@every_face
@pytest.mark.parametrize(
    ("path", "value"), [case for case in AUDIT_WRONG if written_alike(case[1])], ids=lambda one: str(one)[:40]
)
def test_what_is_wrong_is_named(through: Through, path: str, value: Any) -> None:
    refused = read("3102", through("3102", changed(audit(), path, value)))
    assert isinstance(refused, BadMessage)
    # a list of one is no list in XML, so what should have been one is its first element there
    assert refused.field in {path, f"{path}[0]", path.removesuffix("[0]")}
    assert refused.infcode == WRONG_VALUE


@every_face
@pytest.mark.parametrize(
    ("path", "value"), [case for case in FEEDBACK_WRONG if written_alike(case[1])], ids=lambda one: str(one)[:40]
)
def test_what_is_wrong_with_feedback_is_named(through: Through, path: str, value: Any) -> None:
    refused = read("3103", through("3103", changed(feedback(), path, value)))
    assert isinstance(refused, BadMessage)
    assert refused.field in {path, f"{path}[0]", path.removesuffix("[0]")}


@every_face
@pytest.mark.parametrize(
    ("path", "value"), [case for case in SAME if written_alike(case[1])], ids=lambda one: str(one)[:40]
)
def test_what_the_world_sends_means_the_same(through: Through, path: str, value: Any) -> None:
    call = read("3102", through("3102", changed(audit(), path, value)))
    assert isinstance(call, AuditCall)
    assert call.persons == parse_audit("3102", audit()).persons


@every_face
@pytest.mark.parametrize("path", sorted(LENIENT))
def test_everything_else_may_be_blank(through: Through, path: str) -> None:
    call = read("3102", through("3102", changed(audit(), path, "")))
    assert isinstance(call, AuditCall)
    assert call.persons == parse_audit("3102", changed(audit(), path, gone=True)).persons


# a SOAP client ----------------------------------------------------------------------------------------------------------


class Counter(zeep.Transport):  # type: ignore[misc]  # zeep is untyped
    """Carries a zeep client's messages to the faces and back, keeping both."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = self.came = b""
        self.schema: etree.XMLSchema | None = None

    def post(self, address: str, message: bytes, headers: dict[str, str]) -> requests.Response:
        assert address == LOCATION
        self.sent = message
        try:
            _, infno, body = faces.from_xml(message)
            told = self._answer(infno, body)
        except BadMessage as refused:
            told = failure(refused.infcode, refused.field, refused.reason, received=AT, refmsgid="x")
        self.came = faces.to_xml("soap", told)
        response = requests.Response()
        response.status_code = 200 if told["infcode"] == 0 else 400
        response._content = self.came
        response.headers["Content-Type"] = "text/xml; charset=utf-8"
        return response

    @staticmethod
    def _answer(infno: str, body: Any) -> dict[str, Any]:
        if infno == "3103":
            parse_feedback(body)
            return done(received=AT, refmsgid="x")
        call = parse_audit(infno, body)
        found = {PERSON: [finding(), finding(explanation="追溯码另有记录。", order_ids=["RX1", "RX2"])]}
        return answer(call, found, received=AT, refmsgid="x", reminders={PERSON: VIEW})


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def client(tmp_path: Path, counter: Counter) -> zeep.Client:
    page = tmp_path / "audit.wsdl"
    page.write_text(faces.wsdl(LOCATION), "utf-8")
    return zeep.Client(str(page), transport=counter)


def schema() -> etree.XMLSchema:
    page = etree.fromstring(faces.wsdl(LOCATION).encode())
    return etree.XMLSchema(page.find(".//{http://www.w3.org/2001/XMLSchema}schema"))


def payload(envelope: bytes) -> Any:
    return etree.fromstring(envelope).find(f"{{{faces.SOAP}}}Body")[0]


def numbers(body: dict[str, Any]) -> dict[str, Any]:
    """As a typed client has it: where a number is absent it says nothing, not an empty string."""
    if isinstance(body, dict):
        return {name: numbers(value) for name, value in body.items() if value not in ("", [])}
    return [numbers(one) for one in body] if isinstance(body, list) else body


@pytest.mark.parametrize("infno", ["3101", "3102"])
def test_a_client_made_from_the_wsdl_asks_and_reads(client: zeep.Client, counter: Counter, infno: str) -> None:
    scene = "1" if infno == "3101" else "6"
    told = client.service[OPERATION[infno]](**numbers(audit(infno, trig_scen=scene)))
    assert (told.infcode, told.refmsg_time) == (0, "20250603091000123")
    first, second = told.output.result
    assert (first.rule_name, first.vola_amt, first.sev_deg) == ("提前取药", finding().amount, "1")
    assert [one.rx_id for one in second.judge_result_detail_dtos] == ["RX1", "RX2"]
    assert schema().validate(payload(counter.sent)), schema().error_log
    assert schema().validate(payload(counter.came))
    assert told.output.undecided is None
    reminders = told.output.reminders
    if infno == "3102":
        assert not reminders
        return
    (reminder,) = reminders
    assert (reminder.patn_id, reminder.visits[0].generics) == (PERSON, ["A10BA02", "C09"])
    assert [(one.days, one.visits) for one in reminder.counts] == [(1, 0), (30, 4)]
    assert (reminder.medication[0].remaining_days, reminder.medication[0].collections) == (None, 1)


def test_a_client_gives_feedback(client: zeep.Client, counter: Counter) -> None:
    assert client.service.feedback3103(**numbers(feedback())).infcode == 0
    assert schema().validate(payload(counter.sent))
    assert schema().validate(payload(counter.came))


def test_a_client_gets_a_fault_that_names_the_field(client: zeep.Client, counter: Counter) -> None:
    with pytest.raises(zeep.exceptions.Fault) as told:
        client.service.audit3102(**numbers(changed(audit(), f"{V}.medins_id", "H99999999999")))
    assert told.value.code == "soap:Client"
    assert told.value.message.startswith(f"{V}.medins_id: expected")
    reply = told.value.detail.find(f"{{{faces.NAMESPACE}}}reply")
    assert reply.findtext(f"{{{faces.NAMESPACE}}}infcode") == str(WRONG_VALUE)
    assert schema().validate(reply)


def test_our_own_fault_is_the_servers() -> None:
    told = faces.to_xml("soap", failure(INTERNAL, "", "internal; 4711", received=AT, refmsgid="x"))
    fault = payload(told)
    assert (fault.findtext("faultcode"), fault.findtext("faultstring")) == ("soap:Server", "internal; 4711")


def test_undecided_is_told_on_every_face(client: zeep.Client) -> None:
    told = answer(parse_audit("3102", audit()), None, received=AT, refmsgid="x")
    for face in ("xml", "soap"):
        (undecided,) = etree.fromstring(faces.to_xml(face, told)).iterfind(".//{*}undecided")
        assert undecided.text == "true"


def test_an_answer_in_xml_is_the_answer_in_json() -> None:
    told = answer(parse_audit("3101", audit("3101")), {PERSON: [finding()]}, received=AT, refmsgid="x")
    (root, tree), = xmltodict.parse(faces.to_xml("xml", told), force_list=("result", "judge_result_detail_dtos")).items()  # fmt: skip

    def texts(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: texts(value) for name, value in node.items()}
        return [texts(one) for one in node] if isinstance(node, list) else str(node) or None

    assert (root, tree) == ("reply", texts(told))


def test_what_xml_cannot_hold_is_left_out() -> None:
    told = {
        "infcode": 0,
        "err_msg": "a\x00b\x0bc\ufffe</reply>",
        "output": {"result": [], "vola_amt": 1e16, "x": 1e-7, "muted": False},
    }
    root = etree.fromstring(faces.to_xml("xml", told))
    assert root.findtext("err_msg") == "abc</reply>"
    assert [root.findtext(f"output/{name}") for name in ("vola_amt", "x", "muted")] == [
        "10000000000000000",
        "0.0000001",
        "false",
    ]


# hostile and odd XML ----------------------------------------------------------------------------------------------------

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE r [<!ENTITY l0 "ha">{LAUGHS}]><r><infno>&l9;</infno></r>',
    "external entity": '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]><r><infno>&x;</infno></r>',
    "external dtd": '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd"><r><infno>3102</infno></r>',
    "parameter entity": '<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x">%x;]><r/>',
    "doctype alone": "<!DOCTYPE r><r><infno>3102</infno></r>",
    "empty": "", "text": "hello", "cut": "<r><infno>", "two roots": "<r/><r/>", "empty root": "<r/>", "text root": "<r>3102</r>",
    "unknown entity": "<r>&nbsp;</r>", "unknown prefix": "<a:r/>", "unknown encoding": '<?xml version="1.0" encoding="klingon"?><r/>',
    "utf-7": '<?xml version="1.0" encoding="utf-7"?><r/>', "not utf-8": "<r>\udcff</r>",
    "not gbk": '<?xml version="1.0" encoding="GBK"?><r>\udcff\udcff</r>',
    "soap 1.2": '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body/></e:Envelope>',
    "no body": f'<e:Envelope xmlns:e="{faces.SOAP}"><e:Header/></e:Envelope>',
    "empty body": f'<e:Envelope xmlns:e="{faces.SOAP}"><e:Body/></e:Envelope>',
    "two operations": f'<e:Envelope xmlns:e="{faces.SOAP}"><e:Body><audit3101/><audit3102/></e:Body></e:Envelope>',
    "one twice": f'<e:Envelope xmlns:e="{faces.SOAP}"><e:Body><audit3101>1</audit3101><audit3101>2</audit3101></e:Body></e:Envelope>',
    "unknown operation": f'<e:Envelope xmlns:e="{faces.SOAP}"><e:Body><audit9999><a>1</a></audit9999></e:Body></e:Envelope>',
    "text operation": f'<e:Envelope xmlns:e="{faces.SOAP}"><e:Body><audit3101>1</audit3101></e:Body></e:Envelope>',
    "text body": f'<e:Envelope xmlns:e="{faces.SOAP}"><e:Body>1</e:Body></e:Envelope>',
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_xml_is_refused(name: str) -> None:
    with pytest.raises(BadMessage) as told:
        faces.from_xml(HOSTILE[name].encode("utf-8", "surrogateescape"))
    assert told.value.infcode == MALFORMED
    assert "127.0.0.1" not in told.value.reason


def test_too_much_and_too_deep() -> None:
    with pytest.raises(BadMessage) as told:
        faces.from_xml(b"<r>" + b" " * faces.MAX_BYTES + b"</r>")
    assert told.value.infcode == TOO_LARGE
    deep = b"<a>" * 100_000 + b"</a>" * 100_000
    _, infno, body = faces.from_xml(deep)
    assert infno == ""
    assert isinstance(read("3102", body), BadMessage)


@pytest.mark.parametrize(
    ("declared", "encoding"), [("GBK", "gbk"), ("gb2312", "gbk"), ("GB18030", "gb18030"), ("UTF-16", "utf-16"), ("UTF-8", "utf-8-sig")]
)  # fmt: skip
def test_the_encodings_of_older_systems_are_read(declared: str, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{declared}"?>\n<request>{written(audit())}</request>'
    _, _, body = faces.from_xml(text.encode(encoding))
    call = read("3102", body)
    assert isinstance(call, AuditCall)
    assert call.persons[0].bill == parse_audit("3102", audit()).persons[0].bill


def test_attributes_comments_and_order_do_not_matter() -> None:
    body = {name: audit()[name] for name in reversed(audit())}
    text = written(body).replace("<msgid>", '<!-- 报文 --><msgid type="xs:string">').replace("<rx_id>", '<rx_id x="1">')
    _, infno, tree = faces.from_xml(f'<ns:r xmlns:ns="urn:any" version="1">{text}</ns:r>'.encode())
    call = read(infno, tree)
    assert isinstance(call, AuditCall)
    assert call.persons == parse_audit("3102", audit()).persons


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"<r>{text}</r>".encode()))
def test_any_bytes_are_a_tree_or_a_refusal(data: bytes) -> None:
    try:
        _, infno, body = faces.from_xml(data)
    except BadMessage:
        return
    read(infno or "3102", body)


def test_a_field_is_named_on_the_way_back() -> None:
    refused = read("3102", through_xml("3102", changed(audit(), f"{O}.cnt", "两")))
    assert isinstance(refused, BadMessage)
    told = faces.to_xml("xml", failure(refused.infcode, refused.field, refused.reason, received=AT, refmsgid="x"))
    assert etree.fromstring(told).findtext("err_msg") == f"{O}.cnt: expected a number, got text of 1 characters"
    assert P in refused.field
