"""Puts the settings of all folders together: loads them with plain errors and lists them with their origin, secrets masked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

from fundwatch.errors import SettingError

PREFIX: Final = "FUNDWATCH_"
MASK: Final = "********"
SECRETS_DIR: Final = "FUNDWATCH_SECRETS_DIR"
"""Names a folder of files, each called like a setting (``fundwatch_clickhouse_password``) and holding its value; the environment wins."""
_FOR_TESTS: Final = {"FUNDWATCH_TEST_ALL"}
_PASSWORD_IN_URL = re.compile(r"(?<=://)(?P<user>[^/@:\s]*):[^/@\s]*@")

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


@dataclass(frozen=True)
class Setting:
    """One setting as ``doctor --settings`` shows it; ``value`` is already masked."""

    name: str
    value: str
    origin: Literal["environment", "file", "default"]
    folder: str
    meaning: str


def load(settings: type[SettingsT], **given: object) -> SettingsT:
    """The settings of one folder, from ``given``, the environment, the secrets folder. Raises SettingError naming the variable."""
    try:
        return settings(_secrets_dir=_secrets(), **given)  # type: ignore[arg-type]  # the fields differ per class and are checked by it
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        secret = issubclass(_annotation(settings, first["loc"]), SecretStr)
        came = MASK if secret else repr(first["input"])
        raise SettingError(f"{name}: {_lower(first['msg'])}, got {came}; correct it or unset it") from None


def every_class() -> list[type[BaseSettings]]:
    """The settings class of every folder that declares one, from the ground up."""
    from clickhouse.settings import StoreSettings
    from console.settings import ConsoleSettings
    from grafana.settings import GrafanaSettings
    from streams.gateway.settings import GatewaySettings
    from streams.notifier.settings import NotifierSettings
    from streams.settings import StreamSettings

    return [StoreSettings, GrafanaSettings, StreamSettings, GatewaySettings, NotifierSettings, ConsoleSettings]


def every_setting() -> list[Setting]:
    """Every setting with its value and origin, in the order of the folders. Raises SettingError."""
    rows: dict[str, Setting] = {}
    for settings in every_class():
        loaded = load(settings)
        for field, info in settings.model_fields.items():
            name = PREFIX + field.upper()
            rows.setdefault(  # a setting that two folders need is one setting
                name,
                Setting(
                    name=name,
                    value=_shown(getattr(loaded, field)),
                    origin=_origin(settings, name) if field in loaded.model_fields_set else "default",
                    folder=settings.__module__.split(".", 1)[0],
                    meaning=info.description or "",
                ),
            )
    return list(rows.values())


def unknown_names() -> list[str]:
    """Variables that carry our prefix and belong to no setting: most likely misspelt."""
    known = {PREFIX + field.upper() for settings in every_class() for field in settings.model_fields}
    return sorted(
        name for name in os.environ if name.startswith(PREFIX) and name not in known | _FOR_TESTS | {SECRETS_DIR}
    )


def _secrets() -> Path | None:
    """The folder of secrets, if one is named. Raises SettingError if it is not there."""
    named = os.environ.get(SECRETS_DIR)
    if not named:
        return None
    if not Path(named).is_dir():
        raise SettingError(
            f"{SECRETS_DIR}: expected a folder of secrets, got {named!r}; mount it or unset the variable"
        )
    return Path(named)


def _origin(settings: type[BaseSettings], name: str) -> Literal["environment", "file"]:
    """Where a setting that was given came from; some classes take an empty variable for none."""
    value = os.environ.get(name)
    blank = value is None or (value == "" and settings.model_config.get("env_ignore_empty"))
    return "file" if blank else "environment"


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if value is None:
        return ""
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(_shown(item) for item in value)
    return _PASSWORD_IN_URL.sub(rf"\g<user>:{MASK}@", str(value))


def _annotation(settings: type[BaseSettings], location: tuple[int | str, ...]) -> type:
    info = settings.model_fields.get(str(location[0])) if location else None
    return info.annotation if info is not None and isinstance(info.annotation, type) else object


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
