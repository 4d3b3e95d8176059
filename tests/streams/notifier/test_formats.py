"""What each kind of receiver gets: signed as its documentation says, within its limits, and with nobody's number in it.

The checks of the three robots are written from their public documentation, not from our code: DingTalk open.dingtalk.com
"自定义机器人安全设置", WeCom developer.work.weixin.qq.com document/path/91770 "群机器人配置说明", Feishu open.feishu.cn
"自定义机器人使用指南". The standard one is checked by the published reference library of Standard Webhooks.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from schemas.alert import encode_alert
from streams.notifier.card import Card, alert_card, cut, summary_card
from streams.notifier.formats import HTTP_FORMS, Message, Request
from streams.notifier.notice import Notice, read_notice
from streams.notifier.receivers import Receiver
from tests.fixtures_clickhouse import alert

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
PERSON = "320602198601150011"
NAMES = {"P1": "大药房[点我](http://evil.example)<@all>", "H1": "第一人民医院"}
CONSOLE = "https://console.example/"


def notice(**fields: Any) -> Notice:
    values = {"subject_id": PERSON, "persons": [PERSON], "explanation": f"参保人 {PERSON} 7 天内就诊 9 次，上限 7 次"}
    return read_notice(encode_alert(alert(1, **(values | fields))))


def message(card: Card, body: bytes = b'{"explanation":"\xe5\x8f\x82\xe4\xbf\x9d"}') -> Message:
    return Message("a1", 1, body, card)


def render(
    form: str, what: Message, now: float, secret: str = "", url: str = "https://robot.example/send?k=1"
) -> Request:
    receiver = Receiver.model_validate({"name": "r", "url": url, "format": form, "secret": secret})
    return HTTP_FORMS[form].render(receiver, what, now)


CARD = alert_card(notice(), NAMES, CONSOLE)
LONG = Card("标题", "red", tuple(("说明", "证据" * 300) for _ in range(60)), CONSOLE + "alerts/a1")


def test_the_standard_form_verifies_with_the_reference_library_and_not_after_a_change() -> None:
    sent = render("standard", message(CARD), time.time(), SECRET)
    headers = dict(sent.headers)
    assert Webhook(SECRET).verify(sent.body, headers) == orjson.loads(sent.body)
    assert headers["webhook-id"] == "a1"
    for name, body in (("webhook-id", sent.body), ("webhook-timestamp", sent.body), ("", sent.body + b" ")):
        changed = headers | ({name: "1" + headers[name][1:] + "0"[: name == "webhook-id"]} if name else {})
        if name == "webhook-timestamp":
            changed[name] = str(int(headers[name]) - 1)
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, changed)


def test_the_standard_signature_is_what_the_specification_says() -> None:
    """HMAC-SHA256 over id.timestamp.body with the decoded secret; the timestamp is the moment's, wherever the clock hangs."""
    sent = render("standard", message(CARD), 1_772_438_400.9, SECRET)
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, b"a1.1772438400." + sent.body, hashlib.sha256).digest()
    assert sent.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    assert sent.headers["webhook-timestamp"] == "1772438400"


def test_dingtalk_is_signed_in_the_query_and_says_markdown() -> None:
    sent = render(
        "dingtalk", message(CARD), 1_772_438_400.25, "SECabc", "https://oapi.dingtalk.com/robot/send?access_token=t%2B1"
    )
    query = parse_qs(urlsplit(sent.url).query, strict_parsing=True)
    assert query["access_token"] == ["t+1"]
    assert query["timestamp"] == ["1772438400250"]
    digest = hmac.new(b"SECabc", b"1772438400250\nSECabc", hashlib.sha256).digest()
    assert base64.b64decode(query["sign"][0]) == digest
    assert "+" not in urlsplit(sent.url).query.split("sign=")[1]
    told = orjson.loads(sent.body)
    assert (told["msgtype"], set(told["markdown"])) == ("markdown", {"title", "text"})
    assert len(render("dingtalk", message(LONG), 0, "SECabc").body) <= 20_000


def test_dingtalk_without_a_secret_is_not_signed() -> None:
    assert render("dingtalk", message(CARD), 0).url == "https://robot.example/send?k=1"


def test_wecom_says_markdown_within_4096_bytes() -> None:
    told = orjson.loads(render("wecom", message(CARD), 0).body)
    assert (told["msgtype"], list(told["markdown"])) == ("markdown", ["content"])
    content = orjson.loads(render("wecom", message(LONG), 0).body)["markdown"]["content"]
    assert 3_900 < len(content.encode()) <= 4_096
    assert content.endswith("[查看详情](https://console.example/alerts/a1)")


def test_feishu_is_signed_in_the_body_and_says_card() -> None:
    told = orjson.loads(render("feishu", message(CARD), 1_772_438_400.7, "s3").body)
    digest = hmac.new(b"1772438400\ns3", b"", hashlib.sha256).digest()
    assert (told["timestamp"], base64.b64decode(told["sign"])) == ("1772438400", digest)
    assert told["msg_type"] == "interactive"
    assert told["card"]["header"]["template"] == "yellow"
    assert told["card"]["elements"][1]["actions"][0]["url"].startswith("https://console.example/alerts/")
    assert len(render("feishu", message(LONG), 0, "s3").body) <= 20_000
    assert "sign" not in orjson.loads(render("feishu", message(CARD), 0).body)


def test_a_card_says_what_who_where_how_much_and_where_to_read_on() -> None:
    assert (
        Card(
            "【黄灯】需要核实",
            "yellow",
            (
                (
                    "事项",
                    "频繁就诊 · 就诊次数异常"
                    if "就诊次数异常" in dict(CARD.lines)["事项"]
                    else dict(CARD.lines)["事项"],
                ),
                ("对象", "参保人 3206＊＊＊＊11"),
                ("地点", "大药房［点我］(http://evil.example)＜@all＞"),
                ("说明", "参保人 3206＊＊＊＊11 7 天内就诊 9 次，上限 7 次"),
                ("金额", "基金支付 70.05 元"),
                ("证据", "1 张结算单"),
                ("时间", "2025-03-10 09:30:00"),
            ),
            f"https://console.example/alerts/{alert(1).alert_id}",
        )
        == CARD
    )


@pytest.mark.parametrize("form", ["dingtalk", "wecom", "feishu"])
def test_no_number_of_a_person_is_in_a_robots_message(form: str) -> None:
    collector = "tok-collector-7781"
    told = notice(subject_type="agent", subject_id=collector, explanation=f"代办人 {collector} 为 {PERSON} 取药")
    for card in (
        alert_card(told, NAMES, CONSOLE),
        summary_card([told, notice()], NAMES, CONSOLE, storm=True),
        summary_card([told, notice()], NAMES, CONSOLE, storm=False),
    ):
        sent = render(form, message(card, encode_alert(alert(1))), 0)
        text = sent.body.decode()
        assert "＊＊＊＊" in text
        assert PERSON not in text
        assert collector not in text
        assert PERSON not in card.text()


def test_a_withdrawn_alert_says_so() -> None:
    assert alert_card(notice(withdrawn=True), NAMES, "").title == "【黄灯】已撤销"
    assert alert_card(notice(), NAMES, "").link == ""


def test_a_summary_counts_and_puts_the_worst_first() -> None:
    some = [notice(amount=Decimal("1.50")), notice(light="red", amount=Decimal("2000.00")), notice(light="green")]
    card = summary_card(some, NAMES, CONSOLE, storm=False)
    assert (card.title, card.light) == ("【红灯】预警汇总", "red")
    assert dict(card.lines)["数量"] == "3 条预警（红 1 条，黄 1 条，绿 1 条）"
    assert dict(card.lines)["金额"] == "基金支付合计 2,071.55 元"
    assert [text[:1] for label, text in card.lines if not label] == ["红", "黄", "绿"]
    assert summary_card(some, NAMES, CONSOLE, storm=True).title == "【红灯】同一规则同一地点集中预警"


@pytest.mark.parametrize("limit", range(3, 12))
def test_text_is_cut_between_characters(limit: int) -> None:
    assert len(cut("预警信息", limit).encode()) <= limit
    assert cut("预警信息", limit).rstrip("…") in "预警信息"
