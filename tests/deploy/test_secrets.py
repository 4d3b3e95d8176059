"""The first start: everybody's secrets are made once, kept, and readable for those who mount them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import xml.etree.ElementTree as Xml
from pathlib import Path

import pytest

from clickhouse.settings import StoreSettings
from deploy.first_start import ADMIN, HASHES, SHARED, STORE_USERS, TOKENS, make
from fundwatch.errors import SettingError
from fundwatch.settings import SECRETS_DIR, every_setting, load
from streams.access import load_tokens
from tests.deploy.composed import ROOT

HERE = Path(__file__).parents[2]


def contents(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "deploy/first_start.py", "--root", root, *arguments],
        cwd=HERE, capture_output=True, text=True, timeout=120, check=False,
        env={"PYTHONPATH": str(HERE)},
    )  # fmt: skip


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    assert run(tmp_path).returncode == 0
    first = contents(tmp_path)
    assert run(tmp_path).returncode == 0
    assert contents(tmp_path) == first
    assert make(tmp_path) == []


def test_nobody_else_may_read_and_no_two_are_alike(tmp_path: Path) -> None:
    run(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.stat().st_mode & 0o007 == 0 for path in files)
    passwords = [text for name, text in contents(tmp_path).items() if name not in (HASHES, TOKENS, *SHARED)]
    assert len(passwords) == len(set(passwords)) >= 7
    assert min(map(len, passwords)) >= 40


def test_what_two_must_know_is_the_same_for_both(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "grafana/fundwatch_grafana_webhook_secret").unlink()
    make(tmp_path)
    assert len(SHARED) == 2
    for name, source in SHARED.items():
        assert (tmp_path / name).read_text() == (tmp_path / source).read_text()


def test_clickhouse_is_told_the_hashes_of_what_the_others_are_told(tmp_path: Path) -> None:
    make(tmp_path)
    told = Xml.parse(tmp_path / HASHES).getroot()
    for user, (name,) in STORE_USERS.items():
        assert told.findtext(f"{user}_sha256") == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    users = Xml.parse(ROOT / "deploy/clickhouse/users.d/fundwatch.xml").getroot().find("users")
    assert users is not None
    included = {entry.tag: entry.find("password_sha256_hex") for entry in users if not entry.get("remove")}
    assert {name: one.get("incl") for name, one in included.items() if one is not None} == {
        user: f"{user}_sha256" for user in STORE_USERS
    }
    assert set(included) == set(STORE_USERS), "a user without a password"


def test_a_password_put_there_by_hand_counts(tmp_path: Path) -> None:
    chosen = tmp_path / STORE_USERS["grafana"][0]
    chosen.parent.mkdir()
    chosen.write_text("chosen by hand\n")
    make(tmp_path)
    assert chosen.read_text() == "chosen by hand\n"
    assert hashlib.sha256(b"chosen by hand").hexdigest() in (tmp_path / HASHES).read_text()


def test_our_settings_read_the_folder_that_is_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path)
    name = STORE_USERS["fundwatch"][0]
    monkeypatch.setenv(SECRETS_DIR, str((tmp_path / name).parent))
    assert load(StoreSettings).clickhouse_password.get_secret_value() == (tmp_path / name).read_text()
    listed = {row.name: row for row in every_setting()}
    assert listed["FUNDWATCH_CLICKHOUSE_PASSWORD"].origin == "file"
    monkeypatch.setenv("FUNDWATCH_CLICKHOUSE_PASSWORD", "from the environment")
    assert load(StoreSettings).clickhouse_password.get_secret_value() == "from the environment"


def test_a_folder_of_secrets_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRETS_DIR, "/nowhere/at/all")
    with pytest.raises(SettingError, match=SECRETS_DIR):
        load(StoreSettings)


def test_the_admin_s_token_is_shown_and_known(tmp_path: Path) -> None:
    shown = run(tmp_path, "--show").stdout
    token = (tmp_path / ADMIN).read_text()
    assert token in shown
    assert load_tokens(tmp_path / TOKENS).authenticate(f"Bearer {token}").role == "admin"


def test_a_hospital_gets_its_token(tmp_path: Path) -> None:
    issued = run(tmp_path, "--token", "his-1", "his", "H33010600001")
    client = load_tokens(tmp_path / TOKENS).authenticate(f"Bearer {issued.stdout.strip()}")
    assert (client.role, client.institution_id) == ("his", "H33010600001")
    assert issued.stdout.strip() not in (tmp_path / TOKENS).read_text()


@pytest.mark.parametrize("words", [("x", "king"), ("x", "his"), ("x",), ("admin", "admin"), ("x", "his", "H1", "more")])
def test_a_token_that_cannot_be_is_refused_in_words(tmp_path: Path, words: tuple[str, ...]) -> None:
    refused = run(tmp_path, "--token", *words)
    assert refused.returncode == 2
    assert "expected" in refused.stderr
    assert "Traceback" not in refused.stderr
