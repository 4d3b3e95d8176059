from __future__ import annotations

import re
from pathlib import Path

import pytest

from clickhouse.client import connect
from clickhouse.errors import MigrationError
from clickhouse.migrate import FOLDER, migrate, migrations, statement_for
from clickhouse.settings import StoreSettings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "0001_first.sql": "-- one; two\nCREATE TABLE IF NOT EXISTS a (t DateTime('${timezone}')) ENGINE = MergeTree ORDER BY t;\n",
        "0002_second.sql": "CREATE TABLE IF NOT EXISTS b (x Int8) ENGINE = Memory;\nALTER TABLE b ADD COLUMN IF NOT EXISTS y String;\n",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.embedded
class TestApplying:
    def test_in_order_and_only_what_is_missing(self, store_settings: StoreSettings, folder: Path) -> None:
        client = connect(store_settings)
        (folder / "0002_second.sql").rename(folder / "later")
        assert migrate(client, folder=folder) == ["0001_first.sql"]
        (folder / "later").rename(folder / "0002_second.sql")
        assert migrate(client, folder=folder) == ["0002_second.sql"]
        assert client.query(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'b'"
        ).result_rows == [
            ("x",),
            ("y",),
        ]

    def test_a_changed_file_is_refused(self, store_settings: StoreSettings, folder: Path) -> None:
        client = connect(store_settings)
        migrate(client, folder=folder)
        with (folder / "0001_first.sql").open("a") as file:
            file.write("-- only a comment\n")
        with pytest.raises(
            MigrationError, match=r"0001_first\.sql was changed after it was applied .* write a new migration"
        ):
            migrate(client, folder=folder)

    def test_line_ends_of_another_system_are_no_change(self, store_settings: StoreSettings, folder: Path) -> None:
        client = connect(store_settings)
        migrate(client, folder=folder)
        file = folder / "0001_first.sql"
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
        assert migrate(client, folder=folder) == []

    def test_a_newer_database_is_refused(self, store_settings: StoreSettings, folder: Path) -> None:
        client = connect(store_settings)
        migrate(client, folder=folder)
        (folder / "0002_second.sql").unlink()
        with pytest.raises(MigrationError, match="older than the database"):
            migrate(client, folder=folder)

    def test_another_zone_is_refused(self, store_settings: StoreSettings, folder: Path) -> None:
        client = connect(store_settings)
        migrate(client, folder=folder)
        with pytest.raises(MigrationError, match="set FUNDWATCH_TIMEZONE=Asia/Shanghai"):
            migrate(client, timezone="Asia/Urumqi", folder=folder)

    def test_one_that_was_killed_half_way_is_taken_up_again(self, store_settings: StoreSettings, folder: Path) -> None:
        client = connect(store_settings)
        good = (folder / "0002_second.sql").read_text()
        (folder / "0002_second.sql").write_text("CREATE TABLE IF NOT EXISTS b (x Int8) ENGINE = Memory;\nBROKEN;\n")
        with pytest.raises(Exception, match="62"):
            migrate(client, folder=folder)
        (folder / "0002_second.sql").write_text(good)
        assert migrate(client, folder=folder) == ["0002_second.sql"]


class TestFiles:
    def test_ours_are_numbered_without_gaps(self) -> None:
        assert [migration.name[:4] for migration in migrations()] == [
            f"{n:04d}" for n in range(1, len(migrations()) + 1)
        ]
        assert {path.name for path in FOLDER.iterdir()} == {migration.name for migration in migrations()}

    @pytest.mark.parametrize("name", ["1_short.sql", "0003-dash.sql", "0001_again.sql"])
    def test_names_out_of_form_or_used_twice_are_refused(self, folder: Path, name: str) -> None:
        (folder / name).write_text("SELECT 1")
        with pytest.raises(MigrationError, match="expected"):
            migrations(folder)


def test_every_store_has_a_secret_of_its_own() -> None:
    filled = {statement_for("SELECT '${secret}'", timezone="Asia/Shanghai", replicated=False) for _ in range(3)}
    assert len(filled) == 3
    assert all(re.fullmatch(r"SELECT '[0-9a-f]{64}'", one) for one in filled)
