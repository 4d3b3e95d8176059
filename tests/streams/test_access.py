"""Tokens: issued once, kept as hashes, bound to a role and where needed to one institution."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest

from streams import access
from streams.access import BadTokensError, Client, ForbiddenError, UnauthenticatedError, issue_token, load_tokens


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secret" / "tokens.toml"


def test_an_issued_token_is_known_with_role_and_institution(path: Path) -> None:
    office = issue_token(path, name="office-1", role="office", institution_id="H32062159710")
    admin = issue_token(path, name="admin", role="admin")
    tokens = load_tokens(path)
    assert tokens.authenticate(f"Bearer {office}") == Client("office-1", "office", "H32062159710")
    assert tokens.authenticate(f"bearer {admin}") == Client("admin", "admin")
    assert len(tokens) == 2


def test_the_file_holds_no_token_and_is_readable_by_its_owner_only(path: Path) -> None:
    token = issue_token(path, name="admin", role="admin")
    assert token not in path.read_text()
    assert len(tomllib.loads(path.read_text())["client"][0]["token_sha256"]) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_tokens_are_never_alike(path: Path) -> None:
    issued = {issue_token(path, name=f"client-{number}", role="oncall") for number in range(20)}
    assert len(issued) == 20
    assert all(len(token) >= 40 for token in issued)


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer wrong", "Bearer " + "x" * 5000, "fw_abc", "Bearer 令牌"],
)
def test_anything_but_a_known_bearer_token_is_refused(path: Path, header: str | None) -> None:
    issue_token(path, name="admin", role="admin")
    with pytest.raises(UnauthenticatedError):
        load_tokens(path).authenticate(header)


def test_every_known_hash_is_compared_in_constant_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = issue_token(path, name="first", role="admin")
    issue_token(path, name="second", role="admin")
    compared: list[str] = []
    real = access.hmac.compare_digest
    monkeypatch.setattr(access.hmac, "compare_digest", lambda a, b: compared.append(a) or real(a, b))
    load_tokens(path).authenticate(f"Bearer {first}")
    assert len(compared) == 2


def test_a_withdrawn_token_stops_without_a_restart(path: Path) -> None:
    token = issue_token(path, name="admin", role="admin")
    tokens = load_tokens(path)
    assert tokens.authenticate(f"Bearer {token}").role == "admin"
    path.write_text("")
    with pytest.raises(UnauthenticatedError):
        tokens.authenticate(f"Bearer {token}")


def test_a_token_issued_later_is_known_without_a_restart(path: Path) -> None:
    issue_token(path, name="admin", role="admin")
    tokens = load_tokens(path)
    later = issue_token(path, name="desk", role="oncall")
    assert tokens.authenticate(f"Bearer {later}").name == "desk"


def test_roles_are_required_by_name(path: Path) -> None:
    client = Client("his-1", "his", "H1")
    assert client.require(["his", "admin"]) is client
    with pytest.raises(ForbiddenError, match="one of the roles admin, supervisor, got role his"):
        client.require(["supervisor", "admin"])


@pytest.mark.parametrize(
    ("name", "role", "institution_id", "said"),
    [
        ("office-1", "office", "", "expected a fixmedins_code"),
        ("his-1", "his", "", "expected a fixmedins_code"),
        ("admin", "admin", "H1", "expected no fixmedins_code"),
        ("root", "root", "", "expected a role of"),
        ('a"b', "admin", "", "expected a client name"),
        ("", "admin", "", "expected a client name"),
        ("office-1", "office", 'H"\n', "expected a fixmedins_code of letters"),
    ],
)
def test_a_client_that_cannot_be_is_not_issued(
    path: Path, name: str, role: str, institution_id: str, said: str
) -> None:
    with pytest.raises(BadTokensError, match=said):
        issue_token(path, name=name, role=role, institution_id=institution_id)  # type: ignore[arg-type]
    assert not path.exists()


def test_a_name_is_issued_once(path: Path) -> None:
    issue_token(path, name="admin", role="admin")
    with pytest.raises(BadTokensError, match="not yet in"):
        issue_token(path, name="admin", role="oncall")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("client = 1", r"expected \[\[client\]\] entries"),
        ("[[client]\n", "expected TOML"),
        ('[[client]]\nname = "a"\nrole = "admin"\n', "expected token_sha256"),
        ('[[client]]\nname = "a"\nrole = "admin"\ntoken_sha256 = "short"\n', "expected token_sha256"),
        ('[[client]]\nname = "a"\nrole = "boss"\n', "expected a role"),
        (
            '[[client]]\nname = "a"\nrole = "admin"\ntoken_sha256 = "{0}"\n'
            '[[client]]\nname = "b"\nrole = "admin"\ntoken_sha256 = "{0}"\n'.format("0" * 64),
            "expected a token of its own",
        ),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong(path: Path, text: str, said: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(BadTokensError, match=said):
        load_tokens(path)


def test_a_missing_file_names_the_setting(path: Path) -> None:
    with pytest.raises(BadTokensError, match="FUNDWATCH_TOKENS"):
        load_tokens(path)


def test_a_file_that_went_bad_lets_nobody_in(path: Path) -> None:
    token = issue_token(path, name="admin", role="admin")
    tokens = load_tokens(path)
    path.write_text("[[client]\n")
    os.utime(path)
    with pytest.raises(BadTokensError):
        tokens.authenticate(f"Bearer {token}")
