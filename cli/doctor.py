"""`baoqi doctor`: what is wrong with this machine or this installation, and how to mend it.

Each check is one function that returns a finding; none changes anything. Exit code 0 when nothing stands in the way of
`baoqi up`; warnings (no Chromium, servers not running) do not count as faults.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from cli.http import read_run_file
from cli.progress import Progress
from embedded.ports import is_free
from embedded.postgres import PostgresUnusable, find_bin, identity_for
from embedded.processes import http_answers, port_answers
from embedded.temporal import TemporalUnusable, find_program
from runtime.crypto import SEALED_BYTES
from runtime.settings import OperatorError, Settings, use_settings
from store import rights

ROOT = Path(__file__).resolve().parent.parent
FREE_GIB = 2
OLDEST = (3, 11)
Level = Literal["ok", "warning", "fault"]
MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "fault": "[red]✗[/]"}


@dataclass(frozen=True)
class Finding:
    """One line of the report; `mend` in both languages when it is not ok."""

    level: Level
    title: str
    detail: str = ""
    mend: str = ""


def python_version() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= OLDEST:
        return Finding("ok", "Python", found)
    return Finding("fault", "Python", found, "安装 Python 3.11 或更新版本。 Install Python 3.11 or newer.")


def requirements() -> Finding:
    """Whether what is installed is what the lock file names."""
    lock = ROOT / "requirements.lock"
    if not lock.exists():
        return Finding("warning", "依赖 Requirements", "requirements.lock ?")
    wrong: list[str] = []
    for line in lock.read_text().splitlines():
        pinned, marker = line.split("\\")[0].strip(), ";" in line
        if "==" not in pinned or pinned.startswith(("#", "--")) or marker:
            continue
        name, _, version = pinned.partition("==")
        try:
            installed = metadata.version(name.partition("[")[0])
        except metadata.PackageNotFoundError:
            installed = "-"
        if installed != version:
            wrong.append(f"{name} {installed} ≠ {version}")
    if not wrong:
        return Finding("ok", "依赖 Requirements", "requirements.lock")
    return Finding("fault", "依赖 Requirements", ", ".join(wrong[:5]), "运行 `make setup`。 Run `make setup`.")


def _version(program: Path) -> str:
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.strip()[:70]


def postgres_programs(settings: Settings) -> Finding:
    title = "PostgreSQL"
    if settings.database_url and not (settings.data_dir / "settings.json").exists():
        return Finding("ok", title, "外部 external")
    try:
        folder = find_bin(settings)
        identity_for(settings.data_dir.absolute() / "postgres", folder)
        return Finding("ok", title, _version(folder / "postgres"))
    except PostgresUnusable as error:
        return Finding("fault", title, "", str(error))
    except (OSError, subprocess.SubprocessError) as error:
        mend = (
            "程序无法在这台机器上运行：用 BAOQI_DATABASE_BIN 指向系统的 PostgreSQL,或设置 BAOQI_DATABASE_URL。 "
            "The programs do not run here: set BAOQI_DATABASE_BIN to the system's, or set BAOQI_DATABASE_URL."
        )
        return Finding("fault", title, str(error), mend)


def temporal_program(settings: Settings) -> Finding:
    if settings.temporal_address and not (settings.data_dir / "settings.json").exists():
        return Finding("ok", "Temporal", "外部 external")
    try:
        return Finding("ok", "Temporal", _version(find_program()))
    except TemporalUnusable as error:
        return Finding("fault", "Temporal", "", str(error))
    except (OSError, subprocess.SubprocessError) as error:
        mend = (
            "程序无法在这台机器上运行：用 BAOQI_TEMPORAL_ADDRESS 指定外部服务。 "
            "The program does not run here: name an external server in BAOQI_TEMPORAL_ADDRESS."
        )
        return Finding("fault", "Temporal", str(error), mend)


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def disk(settings: Settings) -> Finding:
    folders = (_existing(f.absolute()) for f in (settings.data_dir, settings.documents_dir))  # maybe two disks
    free = min(shutil.disk_usage(folder).free for folder in folders) / 2**30
    detail = f"{free:.1f} GiB"
    if free >= FREE_GIB:
        return Finding("ok", "磁盘 Disk", detail)
    return Finding(
        "fault", "磁盘 Disk", detail,
        f"腾出至少 {FREE_GIB} GiB,或用 --data 换一个磁盘。 Free {FREE_GIB} GiB, or choose another disk with --data.",
    )  # fmt: skip


def write_access(settings: Settings) -> Finding:
    """The data folder, and that of the documents, which may be a disk of its own."""
    for wanted in (settings.data_dir, settings.documents_dir):
        folder = _existing(wanted.absolute())
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            break
    else:
        return Finding("ok", "数据目录 Data folder", str(settings.data_dir.absolute()))
    mend = (
        f"当前用户不能写 {folder}:换一个目录（--data）或请管理员授权。 "
        f"This user cannot write to {folder}: choose another folder (--data) or ask for access."
    )
    return Finding("fault", "数据目录 Data folder", str(folder), mend)


def key(settings: Settings) -> Finding:
    title = "密钥 Key"
    if settings.secret_key.get_secret_value():
        return Finding("ok", title, "BAOQI_SECRET_KEY")
    if not settings.key_file.exists():
        return Finding("ok", title, "首次启动时生成 generated on the first start")
    if settings.key_file.stat().st_mode & 0o077:
        mend = f"`chmod 600 {settings.key_file}`"
        return Finding("fault", title, "其他用户可读 readable by others", mend)
    return Finding("ok", title, f"{settings.key_file}(请另行备份 back it up apart)")


def ports(settings: Settings) -> Finding:
    wanted = {
        "app": settings.port,
        "postgres": settings.database_port,
        "temporal": settings.temporal_port,
        "temporal_ui": settings.temporal_ui_port,
        "simulators": settings.simulators_port,
    }
    busy = [f"{name} {port}" for name, port in wanted.items() if not is_free(port)]
    if not busy or (settings.data_dir / "settings.json").exists():
        return Finding("ok", "端口 Ports", ", ".join(map(str, wanted.values())))
    mend = "`baoqi up` 会自动换用后面的空闲端口。 `baoqi up` steps over them."
    return Finding("warning", "端口 Ports", ", ".join(busy), mend)


def front_end() -> Finding:
    lock = json.loads((ROOT / "package-lock.json").read_text()) if (ROOT / "package-lock.json").exists() else {}
    wanted = {n.removeprefix("node_modules/"): p["version"] for n, p in lock.get("packages", {}).items() if n}
    wrong: list[str] = []
    for name, version in wanted.items():
        manifest = ROOT / "node_modules" / name / "package.json"
        if not manifest.exists() or json.loads(manifest.read_text())["version"] != version:
            wrong.append(name)
    if wanted and not wrong:
        return Finding("ok", "前端文件 Front-end files", ", ".join(wanted))
    mend = "运行 `make setup`(`npm ci`)。 Run `make setup` (`npm ci`)."
    return Finding("fault", "前端文件 Front-end files", ", ".join(wrong), mend)


def chromium() -> Finding:
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found:
        return Finding("ok", "Chromium", found)
    mend = "只有浏览器测试需要：`apt-get install chromium`。 Only browser tests need it: `apt-get install chromium`."
    return Finding("warning", "Chromium", "", mend)


def fonts() -> Finding:
    title = "中文字体 Chinese fonts"
    if shutil.which("fc-list") is None:
        return Finding("warning", title, "fc-list ?", "`apt-get install fontconfig fonts-noto-cjk`")
    listed = subprocess.run(["fc-list", ":lang=zh", "family"], capture_output=True, text=True, check=False, timeout=20)
    families = sorted({line.split(",")[0].strip() for line in listed.stdout.splitlines() if line.strip()})
    if families:
        return Finding("ok", title, ", ".join(families[:3]))
    mend = "截图测试需要：`apt-get install fonts-noto-cjk`。 Screenshots need them: `apt-get install fonts-noto-cjk`."
    return Finding("warning", title, "", mend)


async def running_database(settings: Settings) -> Finding:
    import psycopg

    if not settings.database_url:
        return Finding("warning", "数据库连接 Database", "未运行 not running", "`make up`")
    dsn = settings.database_url.replace("postgresql+psycopg://", "postgresql://")
    try:
        connection = await psycopg.AsyncConnection.connect(dsn, connect_timeout=5)
        async with connection:
            version = str(connection.info.parameter_status("server_version"))
            grants = [str(row[0]) for row in await (await connection.execute(rights.MISSING)).fetchall()]
    except psycopg.Error as error:
        mend = "检查 BAOQI_DATABASE_URL 或运行 `baoqi up`。 Check BAOQI_DATABASE_URL, or run `baoqi up`."
        return Finding("fault", "数据库连接 Database", str(error).splitlines()[0][:120], mend)
    if grants:
        return Finding("fault", "数据库连接 Database", version, rights.sentence(grants))
    return Finding("ok", "数据库连接 Database", version)


async def stored_documents(settings: Settings) -> Finding:
    """Whether each stored file is there in its full length; what stands in it is checked when it is read."""
    import psycopg

    title = "文件 Documents"
    if not settings.database_url:
        return Finding("warning", title, "未运行 not running", "`make up`")
    dsn = settings.database_url.replace("postgresql+psycopg://", "postgresql://")
    found, wrong = 0, list[str]()
    try:
        async with (
            await psycopg.AsyncConnection.connect(dsn, connect_timeout=5) as connection,
            connection.cursor(name="documents") as rows,  # read piece by piece: there may be very many
        ):
            await rows.execute("SELECT path, size FROM documents")
            async for path, size in rows:
                found += 1
                file = settings.documents_dir / str(path)
                if not file.is_file() or file.stat().st_size != size + SEALED_BYTES:
                    wrong.append(str(file))
    except psycopg.errors.UndefinedTable:
        return Finding("ok", title, "0")
    except (psycopg.Error, OSError) as error:
        mend = "检查数据库连接和文件目录的权限。 Check the database's connection and the rights of the folder."
        return Finding("fault", title, str(error).splitlines()[0][:120], mend)
    if not wrong:
        return Finding("ok", title, str(found))
    n = len(wrong)
    mend = f"{n} 个文件缺失或不完整，请从备份恢复。 {n} files are gone or cut: restore them from a backup."
    return Finding("fault", title, ", ".join(wrong[:3]), mend)


async def running_temporal(settings: Settings) -> Finding:
    title = "Temporal 连接 Temporal"
    if not settings.temporal_address:
        return Finding("warning", title, "未运行 not running", "`make up`")
    host, _, port = settings.temporal_address.rpartition(":")
    if not await port_answers(int(port), host or "127.0.0.1"):
        mend = "检查 BAOQI_TEMPORAL_ADDRESS 或运行 `baoqi up`。 Check BAOQI_TEMPORAL_ADDRESS, or run `baoqi up`."
        return Finding("fault", title, settings.temporal_address, mend)
    from temporalio.service import RPCError

    from runtime.temporal import connect

    try:
        client = await connect(settings)
        await client.count_workflows()
    except OperatorError as error:
        return Finding("fault", title, settings.temporal_address, str(error))
    except RPCError as error:
        mend = "运行 `baoqi init`，并检查 API key 的权限。 Run `baoqi init`, and check the rights of the API key."
        return Finding("fault", title, f"{settings.temporal_namespace}: {error}"[:160], mend)
    return Finding("ok", title, f"{settings.temporal_address} {settings.temporal_namespace}")


async def running_app(settings: Settings) -> Finding:
    if not settings.database_url:
        return Finding("warning", "页面 Pages", "未运行 not running", "`make up`")
    # A wanted port that was busy has been stepped over: what runs says where it is.
    said = "" if settings.public_url else read_run_file(settings.data_dir).get("pages", "")
    if await http_answers(f"{said or settings.local_url}/healthz"):
        return Finding("ok", "页面 Pages", said or settings.base_url)
    mend = "运行 `baoqi up`，或查看 DATA/logs/app.log。 Run `baoqi up`, or read DATA/logs/app.log."
    return Finding("warning", "页面 Pages", said or settings.base_url, mend)


async def run(data: Path) -> int:
    """Prints the report; 1 when something stands in the way."""
    progress = Progress()
    try:
        settings = Settings(data_dir=data)
    except ValidationError as error:
        progress.plain(f"✗ 设置 Settings: {error}")
        return 1
    use_settings(settings)
    checks: list[Callable[[], Finding] | Callable[[], Awaitable[Finding]]] = [
        python_version,
        requirements,
        lambda: postgres_programs(settings),
        lambda: temporal_program(settings),
        front_end,
        lambda: disk(settings),
        lambda: write_access(settings),
        lambda: key(settings),
        lambda: ports(settings),
        chromium,
        fonts,
        lambda: running_database(settings),
        lambda: stored_documents(settings),
        lambda: running_temporal(settings),
        lambda: running_app(settings),
    ]
    faults = 0
    for check in checks:
        outcome = check()
        finding = outcome if isinstance(outcome, Finding) else await outcome
        faults += finding.level == "fault"
        progress.say(f"{MARKS[finding.level]} {finding.title}  [dim]{finding.detail}[/]")
        if finding.mend:
            progress.plain(f"    → {finding.mend}")
    progress.say()
    if faults:
        progress.say(f"{faults} 处需要修复。 {faults} to mend.")
        return 1
    progress.say("这台机器可以运行保期。 This machine can run Baoqi.")
    return 0
