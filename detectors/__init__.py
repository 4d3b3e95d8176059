"""The judgement, pure: what is remembered of a person or place, exact windows, rules, lights, the backtest. No broker, store or clock."""

import compiled  # noqa: F401  first of all: from here on compiled modules are found
from detectors.errors import (
    DetectorError,
    ExceptionFileError,
    ReferenceFileError,
    RuleFileError,
    StateVersionError,
    TruthFileError,
    UnreadableInputError,
)
from detectors.filed import FiledException, load_exceptions
from detectors.judge import Judge
from detectors.parameters import Parameter, RuleBook, RuleSetting, load_rules
from detectors.reference import Drug, Institution, Reference
from detectors.scope import Tally
from detectors.state import PersonState, PlaceState

__all__ = [
    "DetectorError",
    "Drug",
    "ExceptionFileError",
    "FiledException",
    "Institution",
    "Judge",
    "Parameter",
    "PersonState",
    "PlaceState",
    "Reference",
    "ReferenceFileError",
    "RuleBook",
    "RuleFileError",
    "RuleSetting",
    "StateVersionError",
    "Tally",
    "TruthFileError",
    "UnreadableInputError",
    "load_exceptions",
    "load_rules",
]
