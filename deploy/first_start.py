"""Makes what must be secret at the first start, keeps what is there, and issues tokens: the service ``secrets`` of docker-compose.yml.

Every reader has a folder of its own below the root, and mounts only that one. Files are 0440: the group reads, nobody writes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import sys
from pathlib import Path
from typing import Final, get_args

from streams.access import BadTokensError, Role, issue_token

ROOT: Final = Path("/secrets")
STORE_USERS: Final = {
    "fundwatch": ("fundwatch/fundwatch_clickhouse_password",),
    "grafana": ("grafana/fundwatch_grafana_clickhouse_password",),
    "office": ("operator/office_password",),
}
"""The users of deploy/clickhouse/users.d/fundwatch.xml, and the files that tell their passwords to those who sign in with them."""
GRAFANA_ADMIN: Final = "grafana/fundwatch_grafana_admin_password"
INTERSERVER: Final = "clickhouse/interserver_password"
OTHERS: Final = (
    GRAFANA_ADMIN,
    "grafana/fundwatch_grafana_secret_key",
    "grafana/fundwatch_grafana_webhook_secret",
    INTERSERVER,
)
SHARED: Final = {
    "notifier/fundwatch_clickhouse_password": "fundwatch/fundwatch_clickhouse_password",
    "notifier/fundwatch_grafana_webhook_secret": "grafana/fundwatch_grafana_webhook_secret",
}
"""Files that repeat another reader's secret."""
HASHES: Final = "clickhouse/secrets.xml"
TOKENS: Final = "tokens/tokens.toml"
ADMIN: Final = "operator/admin_token"


def main(arguments: list[str] | None = None) -> int:
    """Make what is missing; then show or issue what was asked for. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="secrets", description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the secrets")
    parser.add_argument("--show", action="store_true", help="print what people sign in with")
    parser.add_argument(
        "--token", nargs="+", metavar="WORD", help="NAME ROLE [FIXMEDINS_CODE]: issue a token, print it once"
    )
    given = parser.parse_args(arguments)
    os.umask(0o027)
    make(given.root)
    if given.show:
        for what, file in (
            ("Grafana, user admin", GRAFANA_ADMIN),
            ("console and API, role admin", ADMIN),
            ("ClickHouse, user office", "operator/office_password"),
        ):
            print(f"{what}: {(given.root / file).read_text().strip()}")
    if given.token:
        name, role, institution = (*given.token, "", "")[:3]
        if role not in get_args(Role) or len(given.token) > 3:
            parser.error(f"expected --token NAME ROLE [FIXMEDINS_CODE] with a role among {', '.join(get_args(Role))}")
        try:
            print(_issue(given.root, name, role, institution))
        except BadTokensError as error:
            parser.error(str(error))
    return 0


def make(root: Path) -> list[str]:
    """Write each secret that is not there yet; returns their names. A file that is there is never changed."""
    made = []
    for name in [*(name for names in STORE_USERS.values() for name in names), *OTHERS]:
        if not (root / name).exists():
            _write(root / name, secrets.token_urlsafe(32))
            made.append(name)
    for name, source in SHARED.items():
        told = (root / source).read_text().strip()
        if not (root / name).exists() or (root / name).read_text().strip() != told:
            _write(root / name, told)
            made.append(name)
    # hashes follow the passwords, so that a password the operator put there himself counts
    told = _hashes(root)
    if not (root / HASHES).exists() or (root / HASHES).read_text() != told:
        _write(root / HASHES, told)
        made.append(HASHES)
    if not (root / ADMIN).exists():
        _write(root / ADMIN, _issue(root, "admin", "admin", ""))
        made += [ADMIN, TOKENS]
    return made


def _hashes(root: Path) -> str:
    """What ClickHouse includes: SHA-256 of its users' passwords, and what its replicas show each other."""
    lines = []
    for user, (name, *_) in STORE_USERS.items():
        digest = hashlib.sha256((root / name).read_bytes().strip()).hexdigest()
        lines.append(f"<{user}_sha256>{digest}</{user}_sha256>")
    interserver = (root / INTERSERVER).read_text().strip()
    lines.append(f"<interserver><user>replica</user><password>{interserver}</password></interserver>")
    return "<clickhouse>" + "".join(lines) + "</clickhouse>\n"


def _issue(root: Path, name: str, role: Role, institution: str) -> str:
    token = issue_token(root / TOKENS, name=name, role=role, institution_id=institution)
    (root / TOKENS).chmod(0o640)
    return token


def _write(path: Path, text: str) -> None:
    """Whole or not at all: a first start that is killed leaves no half secret."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".part")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o440), "w", encoding="utf-8") as file:
        file.write(text)
    half.replace(path)


if __name__ == "__main__":
    sys.exit(main())
