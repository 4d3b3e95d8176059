"""One attempt: whatever the other side does, it ends in time and is judged rightly."""

from __future__ import annotations

import asyncio
import socket
import ssl
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller

from streams.machine import free_port
from streams.notifier.card import Card
from streams.notifier.formats import Message
from streams.notifier.guard import Guard, Resolver
from streams.notifier.post import Answer, Poster, retry_after
from streams.notifier.receivers import Receiver
from tests.streams.notifier.receiving import Receiving

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
CARD = Card("【红灯】立即处置", "red", (("对象", "参保人 3206****01"),), "https://console.example/alerts/a1")
MESSAGE = Message("a1", 1, b'{"alert_id":"a1"}', CARD)


async def send(url: str, form: str = "standard", **fields: Any) -> Answer:
    values = {"name": "r", "url": url, "format": form, "timeout": 1.0} | fields
    if form == "standard":
        values["secret"] = SECRET
    poster = Poster(Receiver.model_validate(values), Resolver(Guard("127.0.0.1")))
    try:
        return await poster.send(MESSAGE)
    finally:
        await poster.close()


@pytest.mark.parametrize(
    ("behaviour", "status", "error"),
    [
        ("ok", 200, ""),
        ("204", 204, ""),
        ("500", 500, "HTTP 500"),
        ("401", 401, "HTTP 401"),
        ("redirect", 302, "HTTP 302"),
        ("hang", 0, "no answer within 1 s"),
        ("drip", 0, "no answer within 1 s"),
        ("reset", 0, "Error"),
        ("rubbish", 0, "RemoteProtocolError"),
    ],
)
async def test_an_attempt_ends_and_is_judged(behaviour: str, status: int, error: str) -> None:
    async with Receiving(behaviour) as here:
        answer = await send(here.url)
    assert answer.status == status
    assert error in answer.error
    assert bool(answer.error) == bool(error)
    assert len(here.got) == 1


async def test_a_huge_answer_is_not_read_to_its_end() -> None:
    async with Receiving("huge") as here:
        answer = await send(here.url, timeout=20.0)
        assert (answer.status, answer.error) == (200, "")
        while not here.cut:
            await asyncio.sleep(0.01)
        assert here.sent < 64 * 1024 * 1024


async def test_gone_is_for_ever_and_too_many_says_when() -> None:
    async with Receiving("410") as gone, Receiving("429") as busy:
        assert (await send(gone.url)).never
        answer = await send(busy.url)
        assert (answer.never, answer.wait) == (False, 1.0)


@pytest.mark.parametrize("form", ["dingtalk", "wecom"])
async def test_a_robot_that_answers_200_may_still_refuse(form: str) -> None:
    for body, error in (
        ('{"errcode":0,"errmsg":"ok"}', ""),
        ('{"errcode":45009,"errmsg":"api freq out of limit"}', "errcode 45009: api freq out of limit"),
        ("[]", "expected JSON"), ("<html>", "expected JSON"), ("{}", "expected JSON"), ('{"errcode":null}', "errcode None"),
    ):  # fmt: skip
        async with Receiving(f"robot:{body}") as here:
            answer = await send(here.url, form)
        assert error in answer.error
        assert bool(answer.error) == bool(error)


async def test_feishu_says_code() -> None:
    for body, error in (('{"code":0,"msg":"success"}', ""), ('{"code":19021,"msg":"sign match fail"}', "code 19021")):
        async with Receiving(f"robot:{body}") as here:
            assert error in (await send(here.url, "feishu")).error


async def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answer = await send(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert (answer.status, answer.error[:12]) == (0, "ConnectError")


async def test_a_certificate_nobody_vouches_for_is_refused() -> None:
    async with Receiving() as here:
        answer = await send(here.url.replace("http:", "https:"))
    assert answer.error
    assert here.got == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0), (" 7 ", 7.0), ("0", 0.0), ("99999999999999", 3_600.0), ("Mon, 02 Mar 2026 08:01:30 GMT", 90.0),
        ("Mon, 02 Mar 2026 07:00:00 GMT", 0.0), ("Tue, 03 Mar 2026 08:00:00 GMT", 3_600.0), ("-5", None), ("soon", None), ("", None),
        ("1.5", None), ("٣", None), (None, None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_and_never_more_than_an_hour(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after(header, 1_772_438_400.0) == seconds


async def test_tls_is_with_the_host_by_its_name_though_we_connect_to_a_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("hooks.inside").configure_cert(context)
    asked: list[str] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with Receiving(tls=context) as here:
        for host, error in (("hooks.inside", ""), ("other.inside", "CERTIFICATE_VERIFY_FAILED")):
            url = f"https://{host}:{here.port}/"
            receiver = Receiver.model_validate({"name": "r", "url": url, "secret": SECRET, "timeout": 30.0})
            poster = Poster(receiver, Resolver(Guard("hooks.inside,other.inside"), lambda *_: ["127.0.0.1"]))
            answer = await poster.send(MESSAGE)
            await poster.close()
            assert error in answer.error
            assert bool(answer.error) == bool(error)
        assert asked == ["hooks.inside", "other.inside"]
        assert len(here.got) == 1


class Inbox:
    def __init__(self, answer: str = "250 OK") -> None:
        self.answer = answer
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        self.mails.append(envelope.content)
        return self.answer


async def test_mail_arrives_masked_and_with_the_same_id_each_time() -> None:
    inbox = Inbox()
    port = free_port()
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        fields = {"to": ["a@fund.example", "b@fund.example"], "sender": "watch@fund.example", "timeout": 20.0}
        for _ in range(2):
            assert await send(f"smtp://127.0.0.1:{port}", "mail", **fields) == Answer(250)
        inbox.answer = "451 come again"
        assert (await send(f"smtp://127.0.0.1:{port}", "mail", **fields)).status == 451
        refused = await send(f"smtp://127.0.0.1:{port}", "mail", username="u", secret="p", **fields)
        assert "expected TLS before the password" in refused.error
    finally:
        controller.stop()
    first, second = (message_from_bytes(one, policy=policy.default) for one in inbox.mails[:2])
    assert first["Message-ID"] == second["Message-ID"]
    assert (first["Subject"], first["To"]) == ("【红灯】立即处置", "a@fund.example, b@fund.example")
    assert "3206****01" in first.get_content()


async def test_a_mail_server_that_says_nothing_does_not_keep_us() -> None:
    async with Receiving("hang") as here:
        answer = await send(f"smtp://127.0.0.1:{here.port}", "mail", to=["a@b.example"], sender="c@d.example")
    assert "no answer within 1 s" in answer.error or "Timeout" in answer.error
