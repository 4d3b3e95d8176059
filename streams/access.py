"""Who may call us: clients with a role, known by tokens of which only the hash is kept."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from streams.errors import StreamsError

Role = Literal["his", "office", "supervisor", "oncall", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
BOUND_ROLES: Final[frozenset[Role]] = frozenset({"his", "office"})
"""Roles whose token belongs to one institution."""

_TOKEN_PREFIX: Final = "fw_"  # noqa: S105  lets secret scanners recognise a leaked token
_NAME = re.compile(r"[\w.:@-]{1,64}")
_INSTITUTION = re.compile(r"[\w.-]{1,64}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST_TOKEN: Final = 256


class AccessError(StreamsError):
    """Base of what can go wrong with tokens."""


class BadTokensError(AccessError):
    """The tokens file is missing, unreadable or says something it cannot mean."""


class UnauthenticatedError(AccessError):
    """The caller showed no token, or none we know (HTTP 401)."""


class ForbiddenError(AccessError):
    """We know the caller, and its role may not do this (HTTP 403)."""


@dataclass(frozen=True)
class Client:
    """A caller: its name for logs, its role, and for ``his`` and ``office`` the institution (``fixmedins_code``) it belongs to."""

    name: str
    role: Role
    institution_id: str = ""

    def require(self, allowed: Iterable[Role]) -> Client:
        """This client, if its role is among ``allowed``; raises ForbiddenError otherwise."""
        roles = sorted(allowed)
        if self.role not in roles:
            raise ForbiddenError(f"expected a token with one of the roles {', '.join(roles)}, got role {self.role}")
        return self


class Tokens:
    """The clients of one tokens file. The file is read again when it changes, so that a withdrawn token stops at once."""

    def __init__(self, path: Path) -> None:
        """Read ``path``; raises BadTokensError."""
        self._path = path
        self._stamp = _stamp(path)
        self._clients = _read(path)

    def __len__(self) -> int:
        return len(self._clients)

    def authenticate(self, header: str | None) -> Client:
        """The client of an ``Authorization: Bearer <token>`` header; raises UnauthenticatedError, or BadTokensError when the file went bad.

        Every known hash is compared, each in constant time, so that the answer's delay tells nothing about the tokens.
        """
        if not header:
            raise UnauthenticatedError("expected the header Authorization: Bearer <token>, got none")
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN:
            raise UnauthenticatedError("expected the header Authorization: Bearer <token>, got another form")
        self._read_again_if_changed()
        shown = _digest(token)
        found: Client | None = None
        for known, client in self._clients.items():
            if hmac.compare_digest(known, shown):
                found = client
        if found is None:
            raise UnauthenticatedError("the token is not known here; ask the administrator for a new one")
        return found

    def _read_again_if_changed(self) -> None:
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._clients = _read(self._path)
            self._stamp = stamp


def load_tokens(path: Path | str) -> Tokens:
    """The tokens file at ``path``; raises BadTokensError with the entry that is wrong."""
    return Tokens(Path(path))


def issue_token(path: Path | str, *, name: str, role: Role, institution_id: str = "") -> str:
    """Add a client to the tokens file (made if missing, readable by its owner only) and return its token, shown this once.

    ``institution_id`` is the ``fixmedins_code`` a ``his`` or ``office`` token belongs to. Raises BadTokensError for a name in use or a
    role and institution that do not fit together.
    """
    path = Path(path)
    client = _checked(path, {"name": name, "role": role, "fixmedins_code": institution_id})
    known = _read(path) if path.exists() else {}
    if any(other.name == name for other in known.values()):
        raise BadTokensError(
            f"expected a client name not yet in {path}, got {name!r}; remove its entry to issue it anew"
        )
    # 256 random bits cannot be guessed, so a plain SHA-256 is as good as a slow hash and costs the callers nothing
    token = _TOKEN_PREFIX + secrets.token_urlsafe(32)
    entry = [
        "[[client]]",
        f'name = "{client.name}"',
        f'role = "{client.role}"',
        *([f'fixmedins_code = "{client.institution_id}"'] if client.institution_id else []),
        f'token_sha256 = "{_digest(token)}"',
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8") as file:
        file.write("\n".join(entry) + "\n\n")
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise BadTokensError(f"expected a tokens file at {path}, got: {error.strerror}; set FUNDWATCH_TOKENS") from None
    return status.st_mtime_ns, status.st_size


def _read(path: Path) -> dict[str, Client]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadTokensError(f"expected a tokens file at {path}, got: {error.strerror}; set FUNDWATCH_TOKENS") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadTokensError(f"expected TOML with [[client]] entries in {path}, got: {error}") from None
    entries = document.get("client", [])
    if not isinstance(entries, list) or any(not isinstance(entry, dict) for entry in entries):
        raise BadTokensError(f"expected [[client]] entries in {path}, got another form of client")
    clients: dict[str, Client] = {}
    for entry in entries:
        client = _checked(path, entry)
        digest = entry.get("token_sha256")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise BadTokensError(
                f"{path}, client {client.name}: expected token_sha256 as 64 hex digits, got another form"
            )
        if digest in clients:
            raise BadTokensError(
                f"{path}, client {client.name}: expected a token of its own, got that of {clients[digest].name}"
            )
        clients[digest] = client
    return clients


def _checked(path: Path, entry: dict[str, object]) -> Client:
    name, role, institution_id = entry.get("name"), entry.get("role"), entry.get("fixmedins_code", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadTokensError(f"{path}: expected a client name of 1 to 64 letters, digits or . _ : @ -, got {name!r}")
    known = next((one for one in ROLES if one == role), None)
    if known is None:
        raise BadTokensError(f"{path}, client {name}: expected a role of {', '.join(ROLES)}, got {role!r}")
    if not isinstance(institution_id, str) or (institution_id and not _INSTITUTION.fullmatch(institution_id)):
        raise BadTokensError(
            f"{path}, client {name}: expected a fixmedins_code of letters and digits, got {institution_id!r}"
        )
    if known in BOUND_ROLES and not institution_id:
        raise BadTokensError(
            f"{path}, client {name}: expected a fixmedins_code, because role {known} reads one institution only"
        )
    if known not in BOUND_ROLES and institution_id:
        raise BadTokensError(
            f"{path}, client {name}: expected no fixmedins_code, because role {known} reads all institutions"
        )
    return Client(name, known, institution_id)
