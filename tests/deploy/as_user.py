"""Runs statements in an embedded ClickHouse whose only user has what one user of deploy/clickhouse/users.d has; JSON in, JSON out.

``python -m tests.deploy.as_user FOLDER`` reads ``{"user": NAME or null, "statements": [[SQL, {NAME: VALUE}], ...]}`` from standard input.
chDB always signs in as ``default`` and keeps one folder for a process, so the user's entry is renamed and every user has a process.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as Xml
from pathlib import Path

from chdb.state.sqlitelike import Connection

DEPLOY = Path(__file__).parents[2] / "deploy" / "clickhouse"


def configuration(folder: Path, user: str) -> Path:
    """Our configuration for chDB: the wanted user under the name ``default``, without a password."""
    users = Xml.parse(DEPLOY / "users.d" / "fundwatch.xml").getroot()
    entries = users.find("users")
    assert entries is not None
    for entry in list(entries):
        if entry.tag != user:
            entries.remove(entry)
    chosen = entries.find(user)
    assert chosen is not None, f"{user} is no user of users.d/fundwatch.xml"
    chosen.tag = "default"
    password = chosen.find("password_sha256_hex")
    assert password is not None
    chosen.remove(password)
    Xml.SubElement(chosen, "no_password")
    users.remove(users.find("include_from"))  # type: ignore[arg-type]
    Xml.SubElement(Xml.SubElement(users, "quotas"), "default")  # both are in the server's own users.xml
    for condition in users.iter(
        "filter"
    ):  # chDB knows no settings of one's own: one that is free for any text stands for ours
        assert condition.text is not None
        condition.text = condition.text.replace("SQL_institution", "log_comment")
    profiles = users.find("profiles")
    assert profiles is not None
    Xml.SubElement(profiles, "default")
    Xml.ElementTree(users).write(folder / "users.xml")
    server = Xml.parse(DEPLOY / "config.d" / "fundwatch.xml").getroot()
    config = Xml.Element("clickhouse")
    Xml.SubElement(config, "users_config").text = str(folder / "users.xml")
    config.append(server.find("access_control_improvements"))  # type: ignore[arg-type]
    Xml.ElementTree(config).write(folder / "config.xml")
    return folder / "config.xml"


def main() -> None:
    folder = Path(sys.argv[1])
    asked = json.load(sys.stdin)
    location = f"{folder / 'store'}?log-level=error"
    if asked["user"]:
        location += f"&config-file={configuration(folder, asked['user'])}"
    connection = Connection(location)
    answers = []
    for statement, parameters in asked["statements"]:
        try:
            text = bytes(connection.query(statement, "JSONCompact", params=parameters).bytes()).decode()
            answers.append({"rows": json.loads(text)["data"] if text else []})
        except Exception as error:
            answers.append({"error": str(error)})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
