"""The file of receivers: what stands in it, said strictly, and read again when it changes."""

from __future__ import annotations

import base64
import binascii
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import SplitResult, urlsplit

import httpx
import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from streams.errors import StreamsError
from streams.notifier.guard import Guard, RefusedAddressError
from streams.notifier.pace import Span, parse_span

Format = Literal["standard", "dingtalk", "wecom", "feishu", "mail"]
Light = Literal["red", "yellow", "green"]
_SCHEMES: Final[Mapping[str, tuple[str, ...]]] = {"mail": ("smtp", "smtps")}
_RATES: Final[Mapping[str, tuple[int, int]]] = {
    "standard": (0, 0), "dingtalk": (18, 0), "wecom": (18, 0), "feishu": (90, 4), "mail": (10, 0),
}  # fmt: skip
"""Messages a minute and a second: a little below what the robots take (20, 20, 100 and 5), since their clocks are not ours."""
_SECRET_FIELDS: Final = frozenset({"secret", "url"})
"""Never shown: the address of a robot holds its token."""

log = structlog.get_logger(__name__)


class BadReceiversError(StreamsError):
    """The file of receivers is missing, unreadable or says something it cannot mean."""


class Receiver(BaseModel):
    """One ``[[receiver]]``. Empty lists mean all."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(pattern=r"^[\w.-]{1,64}$")
    url: str
    format: Format = "standard"
    secret: SecretStr = SecretStr("")
    lights: tuple[Light, ...] = Field(default=("red", "yellow", "green"), min_length=1)
    families: tuple[str, ...] = ()
    areas: tuple[Annotated[str, Field(pattern=r"^\d{2,6}$")], ...] = ()
    institutions: tuple[str, ...] = ()
    level: int = Field(default=1, ge=1, le=9)
    quiet: tuple[str, ...] = ()
    rate: int | None = Field(default=None, ge=0, le=100_000)
    summaries: bool | None = None
    growth: float = Field(default=2.0, gt=1, le=1000)
    storm: int = Field(default=100, ge=0)
    parallel: int | None = Field(default=None, ge=1, le=64)
    timeout: float = Field(default=10.0, gt=0, le=120)
    give_up_hours: float = Field(default=24.0, gt=0, le=24 * 14)
    to: tuple[str, ...] = ()
    sender: str = ""
    username: str = ""

    @field_validator("lights", "families", "areas", "institutions", "quiet", "to", mode="before")
    @classmethod
    def _a_list(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("secret", mode="before")
    @classmethod
    def _a_secret(cls, value: object) -> object:
        return SecretStr(value) if isinstance(value, str) else value

    @field_validator("quiet")
    @classmethod
    def _spans(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            parse_span(one)
        return value

    @model_validator(mode="after")
    def _fits(self) -> Receiver:
        url = self.address
        schemes = _SCHEMES.get(self.format, ("http", "https"))
        if url.scheme not in schemes or not url.hostname:
            raise ValueError(f"url: expected {' or '.join(schemes)} and a host")
        if url.username or url.password:
            raise ValueError("url: expected no user and password in it; use secret")
        secret = self.secret.get_secret_value()
        if self.format == "standard":
            _check_standard(secret)
        if self.format == "wecom" and secret:
            raise ValueError("secret: expected none, a WeCom robot has no signature; its key is in the url")
        if self.format == "mail":
            if not self.to or not self.sender:
                raise ValueError("to, sender: expected both for mail")
            if bool(self.username) != bool(secret):
                raise ValueError("username, secret: expected both or neither")
        elif self.to or self.sender or self.username:
            raise ValueError("to, sender, username: only for format mail")
        return self

    @property
    def address(self) -> SplitResult:
        """The url in its parts. Raises ValueError for one that cannot be meant."""
        url = urlsplit(self.url)
        try:
            _ = url.port
            httpx.URL(self.url)
        except (httpx.InvalidURL, ValueError) as error:
            raise ValueError(f"url: {str(error)[:1].lower()}{str(error)[1:]}") from None
        return url

    @property
    def spans(self) -> tuple[Span, ...]:
        """Quiet hours as times of day."""
        return tuple(parse_span(one) for one in self.quiet)

    @property
    def rates(self) -> tuple[int, int]:
        """Messages a minute and a second; 0 is no limit."""
        minute, second = _RATES[self.format]
        return (minute if self.rate is None else self.rate), second

    @property
    def condenses(self) -> bool:
        """Whether several alerts may become one message: people read summaries, programs want every alert."""
        return self.format != "standard" if self.summaries is None else self.summaries

    @property
    def at_once(self) -> int:
        """Attempts on their way at the same time."""
        return self.parallel or (8 if self.format == "standard" else 1)


def _check_standard(secret: str) -> None:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ValueError("secret: expected whsec_ and 24 to 64 bytes in base64")


def read_receivers(path: Path, guard: Guard) -> dict[str, Receiver]:
    """The receivers of a file by name. Raises BadReceiversError naming receiver and field; secrets and addresses are never in it."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadReceiversError(
            f"expected a file of receivers at {path}, got: {error.strerror}; set FUNDWATCH_WEBHOOKS"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadReceiversError(f"{path}: expected TOML in UTF-8: {error}") from None
    entries = document.pop("receiver", [])
    if document or not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise BadReceiversError(
            f"{path}: expected only [[receiver]] entries, got {', '.join(document) or 'another form'}"
        )
    found: dict[str, Receiver] = {}
    for number, entry in enumerate(entries, 1):
        receiver = _checked(path, number, entry, guard)
        if receiver.name in found:
            raise BadReceiversError(f"{path}: receiver {receiver.name!r}, field name: expected a name of its own")
        found[receiver.name] = receiver
    return found


def _checked(path: Path, number: int, entry: dict[str, Any], guard: Guard) -> Receiver:
    called = f"{path}: receiver {entry.get('name', number)!r}"
    try:
        receiver = Receiver.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        text = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise BadReceiversError(f"{called}, field {text}") from None
        field = str(first["loc"][0])
        came = "" if field in _SECRET_FIELDS or first["type"] == "missing" else f", got {first['input']!r}"
        raise BadReceiversError(f"{called}, field {field}: {text[:1].lower()}{text[1:]}{came}") from None
    host = receiver.address.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return receiver  # a name: its addresses are looked at whenever something is sent
    try:
        guard.check(host, host)
    except RefusedAddressError as error:
        raise BadReceiversError(f"{called}, field url: {error}") from None
    return receiver


class Receivers:
    """The receivers as the file has them now."""

    def __init__(self, path: Path | None, guard: Guard) -> None:
        """Read ``path`` (None: nobody is told); raises BadReceiversError."""
        self._path = path
        self._guard = guard
        self._stamp = self._look()
        self.current = read_receivers(path, guard) if path else {}

    def changed(self) -> bool:
        """Look at the file; True if there are other receivers now. A bad file is told once and the old receivers stay."""
        stamp = self._look()
        if self._path is None or stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            fresh = read_receivers(self._path, self._guard)
        except BadReceiversError as error:
            log.error("receivers.kept_old", reason=str(error))
            return False
        if fresh == self.current:
            return False
        log.info("receivers.read", names=sorted(fresh))
        self.current = fresh
        return True

    def _look(self) -> tuple[int, int]:
        try:
            status = self._path.stat() if self._path else None
        except OSError:
            status = None
        return (status.st_mtime_ns, status.st_size) if status else (0, 0)
