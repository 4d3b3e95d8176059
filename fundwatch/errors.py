"""What can go wrong at the entry, said in one plain sentence for the terminal."""

from __future__ import annotations


class FundwatchError(Exception):
    """Base of every error of this package; ``exit_code`` is what the command ends with."""

    exit_code = 1


class SettingError(FundwatchError):
    """An environment variable holds something a setting cannot be."""

    exit_code = 2


class UsageError(FundwatchError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class DataFolderError(FundwatchError):
    """The data folder is in use by another run, or is not one of ours."""


class StartError(FundwatchError):
    """A part of the system did not answer in time."""


class BrokerError(FundwatchError):
    """Kafka does not answer where the settings say it is."""
