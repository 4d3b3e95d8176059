"""What can go wrong between us and a Grafana, said in one plain sentence for the terminal."""

from __future__ import annotations


class GrafanaError(Exception):
    """Base of every error of this package; ``exit_code`` is what the command ends with."""

    exit_code = 2


class GrafanaAwayError(GrafanaError):
    """Nothing that is a Grafana answers at the address."""


class GrafanaRefusedError(GrafanaError):
    """Grafana answers and does not do it: the token, a right, somebody else's change, or what it thinks of the content.

    ``status`` is the HTTP status.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status
