"""What can go wrong in judging, said so that whoever set it up can mend it."""

from __future__ import annotations


class DetectorError(Exception):
    """Base of every error of this package."""


class RuleFileError(DetectorError):
    """The rule file names something unknown or sets a value outside its range."""


class ExceptionFileError(DetectorError):
    """The file of exceptions is not one, or one of them cannot be meant as it stands."""


class VerdictFileError(DetectorError):
    """The file of verdicts is not one."""


class ReferenceFileError(DetectorError):
    """A reference file (institutions, drugs) cannot be read."""


class StateVersionError(DetectorError):
    """Stored state that this version cannot read."""


class UnreadableInputError(DetectorError):
    """A settlement file that cannot be opened or decompressed."""


class TruthFileError(DetectorError):
    """A file of labelled episodes that cannot be read."""
