"""The rule book: every parameter with its unit, range and basis, read from the shipped files and replaced by a local one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

import detectors.rules as shelves
from detectors.errors import DetectorError, RuleFileError
from detectors.exemptions import REASONS
from schemas.alert import LIGHT_ORDER
from schemas.instants import DAY, HOUR, MINUTE, SECOND

SHIPPED: Final = Path(__file__).with_name("rules.toml")
SECONDS_PER: Final[dict[str, int]] = {"s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY}

LONGEST_DEGREE: Final = 3
"""Characters of ``sev_deg`` on the wire."""

Episode = Literal["day", "month", "quarter"]


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One number a rule rests on. ``min`` and ``max`` are included; ``basis`` says where the default comes from."""

    value: int | float
    unit: str
    min: int | float
    max: int | float
    title: str
    basis: str

    @property
    def seconds(self) -> int:
        """The value as a span in seconds; for units of time only."""
        return round(self.value * SECONDS_PER[self.unit])


class RuleSetting(msgspec.Struct, frozen=True, kw_only=True):
    """One rule as configured. A rule whose values are changed gets a new ``version``, so that its alerts are told apart."""

    detector: str
    version: int
    title: str
    basis: str
    episode: Episode
    enabled: bool = True
    shadow: bool = False
    parameters: dict[str, Parameter]
    exceptions: dict[str, str] = {}
    """The reasons (:mod:`detectors.exemptions`) that count for this rule, each with why."""

    def number(self, name: str) -> int | float:
        """A parameter's value."""
        return self.parameters[name].value

    def whole(self, name: str) -> int:
        """A parameter's value where only whole numbers make sense."""
        return int(self.parameters[name].value)

    def seconds(self, name: str) -> int:
        """A parameter's value as a span in seconds."""
        return self.parameters[name].seconds


class RuleBook(msgspec.Struct, frozen=True, kw_only=True):
    """All rules, in the order of the file, and what concerns them all."""

    general: dict[str, Parameter]
    rules: tuple[RuleSetting, ...]
    severity: dict[str, str]
    """The degree (``sev_deg``) an audit tells of a finding, by its light."""

    @property
    def lateness(self) -> int:
        """How late an event may arrive and still be judged as if it had been in time, in seconds."""
        return self.general["lateness"].seconds

    @property
    def person_cap(self) -> int:
        """Entries kept of a person at most."""
        return int(self.general["person_cap"].value)

    @property
    def place_cap(self) -> int:
        """Entries kept of a place at most."""
        return int(self.general["place_cap"].value)

    @property
    def code_room(self) -> int:
        """Bytes of item and trace codes that an entry keeps at most."""
        return int(self.general["code_room"].value)

    def rule(self, detector: str) -> RuleSetting:
        """The setting of one detector; KeyError if there is none."""
        for setting in self.rules:
            if setting.detector == detector:
                return setting
        raise KeyError(detector)


class _Head(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    version: int
    title: str
    basis: str
    episode: Episode
    enabled: bool = True
    shadow: bool = False
    parameters: dict[str, Parameter] = {}
    exceptions: dict[str, str] = {}


def load_rules(path: str | Path | None = None) -> RuleBook:
    """The shipped rule book, with the values of the TOML file at ``path`` in place of its own.

    Such a file holds what differs: ``[general]`` and ``[rules.<family>.<name>.parameters]`` with ``name = value`` (or the whole table
    of the shipped file, of which ``value`` counts), ``[audit.severity]`` with ``light = "degree"``, and under
    ``[rules.<family>.<name>]`` ``version``, ``enabled``, ``shadow``, ``episode`` and ``exceptions`` (which then are all that count).
    Raises :class:`RuleFileError` for a name that is unknown and for a value outside its range.
    """
    shipped = _read(SHIPPED)
    general = {name: _parameter(f"general.{name}", table) for name, table in shipped["general"].items()}
    # the folders from which rules are imported: one, unless somebody added another to the package's path
    tables = [_read(file) for folder in shelves.__path__ for file in sorted(Path(folder).glob("*.toml"))]
    rules = {table["detector"]: _setting(table.pop("detector"), table) for table in tables}
    severity = _severity(shipped["audit"])
    if path is not None:
        own = _read(Path(path))
        _only(own, ("audit", "general", "rules"), "")
        severity |= _severity(own.get("audit", {}))
        _replace(general, own.get("general", {}), "general")
        for family, members in _table(own.get("rules", {}), "rules").items():
            for name, table in _table(members, f"rules.{family}").items():
                detector = f"{family}.{name}"
                _only({detector: table}, tuple(rules), "rules")
                rules[detector] = _changed(rules[detector], _table(table, f"rules.{detector}"))
    return RuleBook(general=general, rules=tuple(rules.values()), severity=severity)


def _read(path: Path) -> dict[str, Any]:
    return read_toml(path, "the rule file", "check FUNDWATCH_RULES or --rules", RuleFileError)


def read_toml(path: Path, what: str, advice: str, refusal: type[DetectorError]) -> dict[str, Any]:
    """A file's tables; raises ``refusal`` where it cannot be read or is not TOML in UTF-8."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise refusal(f"cannot read {what} {path}: {error.strerror}; {advice}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise refusal(f"{what} {path} is not TOML in UTF-8: {error}") from None


def _severity(audit: object) -> dict[str, str]:
    _only(_table(audit, "audit"), ("severity",), "audit")
    degrees = _table(_table(audit, "audit").get("severity", {}), "audit.severity")
    _only(degrees, tuple(LIGHT_ORDER), "audit.severity")
    for light, degree in degrees.items():
        if not isinstance(degree, str) or not 1 <= len(degree) <= LONGEST_DEGREE or not degree.isalnum():
            raise RuleFileError(
                f"audit.severity.{light}: expected 1 to {LONGEST_DEGREE} letters or digits in quotes, got {degree!r}; "
                "use the sev_deg values of your area's dictionary"
            )
    return dict(degrees)


def _setting(detector: str, table: dict[str, Any]) -> RuleSetting:
    try:
        head = msgspec.convert(table, _Head)
    except msgspec.ValidationError as error:
        raise RuleFileError(f"rules.{detector}: {error}") from None
    for name, parameter in head.parameters.items():
        _check(f"rules.{detector}.parameters.{name}", parameter, parameter.value)
    _only(head.exceptions, tuple(REASONS), f"rules.{detector}.exceptions")
    return RuleSetting(detector=detector, **{field: getattr(head, field) for field in _Head.__struct_fields__})


def _parameter(where: str, table: object) -> Parameter:
    try:
        parameter = msgspec.convert(table, Parameter)
    except msgspec.ValidationError as error:
        raise RuleFileError(f"{where}: {error}") from None
    _check(where, parameter, parameter.value)
    return parameter


def _changed(setting: RuleSetting, table: Mapping[str, Any]) -> RuleSetting:
    where = f"rules.{setting.detector}"
    _only(table, (*_Head.__struct_fields__,), where)
    parameters = dict(setting.parameters)
    _replace(parameters, table.get("parameters", {}), f"{where}.parameters")
    _only(_table(table.get("exceptions", {}), f"{where}.exceptions"), tuple(REASONS), f"{where}.exceptions")
    own = {name: value for name, value in table.items() if name != "parameters"}
    try:
        return msgspec.convert(
            {**msgspec.to_builtins(setting), **own, "parameters": msgspec.to_builtins(parameters)}, RuleSetting
        )
    except msgspec.ValidationError as error:
        raise RuleFileError(f"{where}: {error}") from None


def _replace(parameters: dict[str, Parameter], own: object, where: str) -> None:
    table = _table(own, where)
    _only(table, tuple(parameters), where)
    for name, given in table.items():
        value = given.get("value") if isinstance(given, dict) else given
        _check(f"{where}.{name}", parameters[name], value)
        parameters[name] = msgspec.structs.replace(parameters[name], value=value)


def _check(where: str, parameter: Parameter, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not parameter.min <= value <= parameter.max:
        raise RuleFileError(
            f"{where}: expected a number from {parameter.min} to {parameter.max} ({parameter.unit}), got {value!r}; "
            "choose one in the range, or widen the range in the shipped file with its reason"
        )
    if not isinstance(value, int) and isinstance(parameter.min, int):
        raise RuleFileError(f"{where}: expected a whole number ({parameter.unit}), got {value!r}")


def _table(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RuleFileError(f"{where}: expected a table, got {value!r}")
    return value


def _only(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name in table:
        if name not in known:
            raise RuleFileError(
                f"{f'{where}.' if where else ''}{name}: unknown name; expected one of {', '.join(sorted(known))}"
            )
