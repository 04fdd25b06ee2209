"""What `baoqi doctor` says of a machine where something stands in the way, and how to mend it. Healthy: tests/e2e."""

import asyncio
import json
import re
import socket
import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from cli import doctor
from cli.init import DatabaseForbids, migrate
from embedded.postgres import Postgres
from runtime.settings import Settings


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_key_that_others_can_read_is_a_fault_until_it_is_closed(settings: Settings) -> None:
    settings.key_file.parent.mkdir(parents=True, exist_ok=True)
    settings.key_file.write_text("x")
    settings.key_file.chmod(0o644)
    found = doctor.key(settings)
    assert (found.level, found.mend) == ("fault", f"`chmod 600 {settings.key_file}`")
    settings.key_file.chmod(0o600)
    assert doctor.key(settings).level == "ok"


def test_a_full_disk_is_a_fault(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.disk(settings).level == "ok"
    monkeypatch.setattr(doctor, "FREE_GIB", 10**9)
    found = doctor.disk(settings)
    assert found.level == "fault" and "--data" in found.mend


def test_a_data_folder_that_cannot_be_made_is_a_fault(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    settings.data_dir = tmp_path / "file" / "data"
    found = doctor.write_access(settings)
    assert found.level == "fault" and str(tmp_path / "file") in found.mend


def test_a_busy_port_is_a_warning(settings: Settings) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        settings.port = int(busy.getsockname()[1])
        found = doctor.ports(settings)
    assert found.level == "warning" and str(settings.port) in found.detail


def test_packages_and_front_end_files_other_than_the_lock_names_are_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (doctor.requirements().level, doctor.front_end().level) == ("ok", "ok")
    (tmp_path / "requirements.lock").write_text("pydantic==0.0.1 \\\n    --hash=sha256:0\nnever-made==1.0\n")
    lock = {"packages": {"": {}, "node_modules/htmx.org": {"version": "2.0.0"}}}
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    packages, pages = doctor.requirements(), doctor.front_end()
    assert packages.level == "fault" and "make setup" in packages.mend
    assert "≠ 0.0.1" in packages.detail and "never-made - ≠ 1.0" in packages.detail
    assert (pages.level, pages.detail) == ("fault", "htmx.org") and "make setup" in pages.mend


async def test_servers_that_do_not_answer_are_faults(settings: Settings) -> None:
    settings.database_url = f"postgresql+psycopg://baoqi:secret@127.0.0.1:{closed_port()}/baoqi"
    settings.temporal_address = f"127.0.0.1:{closed_port()}"
    database, temporal = await doctor.running_database(settings), await doctor.running_temporal(settings)
    assert database.level == "fault" and "BAOQI_DATABASE_URL" in database.mend and "secret" not in database.detail
    assert temporal.level == "fault" and "BAOQI_TEMPORAL_ADDRESS" in temporal.mend


async def test_a_database_user_who_may_not_create_a_schema_is_a_fault_until_the_named_grant(
    database: Settings, postgres: Postgres
) -> None:
    assert (await doctor.running_database(database)).level == "ok"
    name = database.database_url.rpartition("/")[2]
    inside = conninfo.make_conninfo(postgres.superuser_dsn(), dbname=name)
    async with await psycopg.AsyncConnection.connect(inside, autocommit=True) as admin:
        await admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(sql.Identifier(name)))
        found = await doctor.running_database(database)
        assert found.level == "fault" and "回看" in found.mend and "looking back" in found.mend
        for grant in granted(found.mend):
            await admin.execute(grant.encode())
    assert (await doctor.running_database(database)).level == "ok"


async def test_a_database_user_without_the_rights_is_told_before_anything_is_made(
    database: Settings, postgres: Postgres
) -> None:
    """A new database of somebody else: no table may be made in it, then no schema beside them."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    url = database.database_url.rpartition("/")[0] + f"/{name}"
    made = sql.Identifier(name)
    async with await psycopg.AsyncConnection.connect(postgres.superuser_dsn(), autocommit=True) as admin:
        await admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 STRATEGY FILE_COPY").format(made))
        with pytest.raises(DatabaseForbids) as caught:
            await asyncio.to_thread(migrate, url)
        said = str(caught.value)
        assert "请数据库管理员" in said and "database administrator" in said and "denied" not in said
        on_database, on_schema = granted(said)
        inside = conninfo.make_conninfo(postgres.superuser_dsn(), dbname=name)
        async with await psycopg.AsyncConnection.connect(inside, autocommit=True) as there:
            await there.execute(on_schema.encode())
            with pytest.raises(DatabaseForbids) as caught:
                await asyncio.to_thread(migrate, url)
            assert granted(str(caught.value)) == [on_database]
            left = await (await there.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")).fetchone()
            assert left == (0,), "nothing half done is left"
        await admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(made))


def granted(said: str) -> list[str]:
    """What the Chinese half of the sentence gives to be run."""
    return re.findall(r"`(GRANT [^`]*);`", said.partition("The database user")[0])


async def test_one_fault_makes_the_exit_code_one(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings.key_file.parent.mkdir(parents=True, exist_ok=True)
    settings.key_file.write_text("x")
    settings.key_file.chmod(0o644)
    assert await doctor.run(settings.data_dir) == 1
    assert f"chmod 600 {settings.key_file}" in capsys.readouterr().out.replace("\n", "")
