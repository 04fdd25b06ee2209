"""Children end with their parent, are found again after a crash, and say why they did not start."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from embedded.ports import Ports
from embedded.postgres import Postgres, embedded_postgres
from embedded.processes import Child, ChildFailed, Launch, Leftovers, birth_of
from runtime.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
LINUX = sys.platform.startswith("linux")


def launch(tmp_path: Path, code: str, **options: object) -> Launch:
    flag = tmp_path / "flag"

    async def ready() -> bool:
        return flag.exists()

    made = Launch("child", [sys.executable, "-c", code, str(flag)], tmp_path / "logs" / "child.log", ready)
    for name, value in options.items():
        setattr(made, name, value)
    return made


ALIVE = "import sys, time, pathlib; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"


async def gone(pid: int, seconds: float = 5.0) -> bool:
    for _ in range(int(seconds / 0.05)):
        if not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes():
            return True
        await asyncio.sleep(0.05)
    return False


async def test_a_child_that_dies_before_it_is_ready_is_explained_by_its_own_words(tmp_path: Path) -> None:
    child = await Child.start(launch(tmp_path, "raise SystemExit('the disk is full')"))
    with pytest.raises(ChildFailed, match="the disk is full"):
        await child.wait_ready()


async def test_a_child_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    child = await Child.start(launch(tmp_path, "import time; time.sleep(600)", ready_seconds=0.3))
    with pytest.raises(ChildFailed, match="child"):
        await child.wait_ready()
    await child.stop()
    assert child.process.returncode == -signal.SIGTERM


async def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + ALIVE
    child = await Child.start(launch(tmp_path, code, stop_seconds=0.3))
    await child.wait_ready()
    await child.stop()
    assert child.process.returncode == -signal.SIGKILL


@pytest.mark.skipif(not LINUX, reason="the death signal is Linux's")
async def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    parent_code = f"""
import asyncio, pathlib, sys
sys.path.insert(0, {str(ROOT)!r})
from embedded.processes import Child, Launch
flag = pathlib.Path({str(tmp_path / "flag")!r})
async def ready(): return flag.exists()
async def main():
    log = pathlib.Path({str(tmp_path / "l.log")!r})
    launch = Launch("child", [sys.executable, "-c", {ALIVE!r}, str(flag)], log, ready)
    child = await Child.start(launch)
    await child.wait_ready()
    print(child.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(await asyncio.to_thread(parent.stdout.readline))
    parent.kill()
    parent.wait()
    assert await gone(pid)


async def test_leftovers_of_a_killed_run_are_ended_and_strangers_are_not(tmp_path: Path) -> None:
    child = await Child.start(launch(tmp_path, ALIVE))
    await child.wait_ready()
    file = tmp_path / "pids.json"
    Leftovers(file).remember([child])
    text = file.read_text()
    file.write_text(text.replace(birth_of(child.pid), "1"))  # the pid now belongs to somebody else
    assert await Leftovers(file).end() == []
    assert child.process.returncode is None
    file.write_text(text)
    assert await Leftovers(file).end() == ["child"]
    await asyncio.wait_for(child.process.wait(), 5)
    assert not file.exists()


async def test_a_damaged_list_of_leftovers_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "pids.json").write_text('[{"name": "po')
    assert await Leftovers(tmp_path / "pids.json").end() == []


async def serving(server: Postgres) -> Child:
    child = await Child.start(server.launch())
    await child.wait_ready()
    return child


async def prepared(folder: Path, tmp_path: Path) -> Postgres:
    """A server whose data lie in a folder that nobody else may enter."""
    folder.mkdir(mode=0o700)
    settings = Settings(data_dir=folder / "data")
    settings.data_dir.mkdir()
    port = Ports(tmp_path / "ports.json").choose("postgres", 30000 + os.getpid() % 9000)
    server = embedded_postgres(settings, port)
    await asyncio.to_thread(server.prepare)
    return server


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become somebody else")
async def test_root_serves_postgres_below_a_closed_folder_without_opening_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    server = await prepared(closed, tmp_path)
    child = await serving(server)
    await server.ensure_database()
    assert Path(f"/proc/{child.pid}").stat().st_uid != 0
    assert closed.stat().st_mode & 0o777 == 0o700
    await child.stop()
    assert child.process.returncode == 0


async def test_postgres_killed_hard_beside_a_strangers_pid_starts_with_its_data(tmp_path: Path) -> None:
    server = await prepared(tmp_path / "closed", tmp_path)
    child = await serving(server)
    await server.ensure_database()
    dsn = server.database_url.replace("postgresql+psycopg", "postgresql")
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute("CREATE TABLE kept (x int)")
    child.process.kill()
    await child.process.wait()
    pid_file = server.folder / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    await asyncio.to_thread(server.prepare)
    child = await serving(server)
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        assert await (await connection.execute("SELECT count(*) FROM kept")).fetchone() == (0,)
    await child.stop()
    assert child.process.returncode == 0
