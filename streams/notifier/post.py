"""One attempt to hand a message to a receiver: bounded in time and size, to an address that was checked, never redirected."""

from __future__ import annotations

import asyncio
import email.utils
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import aiosmtplib
import certifi
import httpx
import structlog

from streams.notifier.formats import HTTP_FORMS, Message
from streams.notifier.formats import mail as mail_form
from streams.notifier.guard import RefusedAddressError, Resolver
from streams.notifier.receivers import Receiver

log = structlog.get_logger(__name__)

_MOST_BODY: Final = 64 * 1024
_LONGEST_WAIT: Final = 3_600.0
"""Seconds of a Retry-After that are believed."""
_SMTP_PORTS: Final = {"smtp": 25, "smtps": 465}
_PORTS: Final = {"http": 80, "https": 443}
_GONE: Final = 410


@dataclass(frozen=True)
class Answer:
    """What came of an attempt: ``error`` is empty if the message was taken. ``status`` 0: no answer. ``wait`` seconds were asked for."""

    status: int
    error: str = ""
    wait: float | None = None
    never: bool = False
    """The receiver wants nothing of us, ever."""


class Poster:
    """Sends to one receiver."""

    def __init__(self, receiver: Receiver, resolver: Resolver, clock: Callable[[], float] = time.time) -> None:
        self._receiver = receiver
        self._resolver = resolver
        self._clock = clock
        self._tries = 0
        self._tls = _trusting()
        self._client = httpx.AsyncClient(
            verify=self._tls,
            follow_redirects=False,
            trust_env=False,
            timeout=receiver.timeout,
            limits=httpx.Limits(max_connections=receiver.at_once, max_keepalive_connections=receiver.at_once),
            headers={"user-agent": "fundwatch", "accept-encoding": "identity"},
        )

    async def send(self, message: Message) -> Answer:
        """Try once, for at most the receiver's timeout; never raises for what the other side or the way to it does."""
        try:
            async with asyncio.timeout(self._receiver.timeout):
                if self._receiver.format == "mail":
                    return await self._mail(message)
                return await self._post(message)
        except TimeoutError:
            return Answer(0, f"no answer within {self._receiver.timeout:g} s")
        except RefusedAddressError as error:
            return Answer(0, str(error))
        except (httpx.HTTPError, aiosmtplib.SMTPException, OSError, ValueError) as error:
            return Answer(0, f"{type(error).__name__}: {str(error)[:200]}")
        except Exception as error:
            # nobody else knows what to do about it either, and it must not end the receiver's deliveries
            log.exception("notifier.attempt_failed", receiver=self._receiver.name)
            return Answer(0, type(error).__name__)

    async def close(self) -> None:
        """Close what is open."""
        self._resolver.close()
        await self._client.aclose()

    async def _post(self, message: Message) -> Answer:
        form = HTTP_FORMS[self._receiver.format]
        request = form.render(self._receiver, message, self._clock())
        url = httpx.URL(request.url)
        address = await self._address(url.host, url.port or _PORTS[url.scheme])
        # by its number, so that no second look-up can lead elsewhere; name and certificate stay those of the host
        headers = {**request.headers, "host": url.netloc.decode()}
        async with self._client.stream(
            "POST", url.copy_with(host=address), content=request.body, headers=headers,
            extensions={"sni_hostname": url.host} if url.scheme == "https" else {},
        ) as response:  # fmt: skip
            body = b""
            if response.is_success:
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > _MOST_BODY:
                        break
            error = form.refusal(body[:_MOST_BODY]) if response.is_success else f"HTTP {response.status_code}"
            wait = retry_after(response.headers.get("retry-after"), self._clock()) if error else None
            return Answer(response.status_code, error, wait, never=response.status_code == _GONE)

    async def _mail(self, message: Message) -> Answer:
        receiver, url = self._receiver, self._receiver.address
        host, port = url.hostname or "", url.port or _SMTP_PORTS[url.scheme]
        address = await self._address(host, port)
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, (address, port))
            client = aiosmtplib.SMTP(
                hostname=host, sock=connection, use_tls=url.scheme == "smtps", start_tls=False,
                timeout=receiver.timeout, local_hostname="fundwatch", tls_context=self._tls,
            )  # fmt: skip
            await client.connect()
        except BaseException:
            connection.close()
            raise
        try:
            secured = url.scheme == "smtps"
            if not secured and client.supports_extension("starttls"):
                await client.starttls(server_hostname=host, tls_context=self._tls)
                secured = True
            if receiver.username:
                if not secured:
                    return Answer(0, "expected TLS before the password, the server offers none; use smtps://")
                await client.login(receiver.username, receiver.secret.get_secret_value())
            await client.send_message(mail_form.render(receiver, message, self._clock()))
            return Answer(250)
        except aiosmtplib.SMTPResponseException as error:
            return Answer(error.code, f"SMTP {error.code}: {str(error.message)[:200]}")
        finally:
            client.close()

    async def _address(self, host: str, port: int) -> str:
        addresses = await self._resolver.addresses(host, port)
        self._tries += 1
        return addresses[self._tries % len(addresses)]


def _trusting() -> ssl.SSLContext:
    """Certificates this machine trusts (an authority of the organisation is among them or in SSL_CERT_FILE), and the public ones."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds a receiver asks us to wait, from seconds or an HTTP date, at most an hour; None for nothing it can mean."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_WAIT)
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max(0.0, (at - datetime.fromtimestamp(now, UTC)).total_seconds()), _LONGEST_WAIT)
