"""The commands, as an operator runs them: against a running API, and straight in the database."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import typer
import uvicorn
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from cli.demo import hires
from cli.http import console
from cli.imports import import_command, process_app
from embedded.ports import Ports
from runtime.settings import Settings
from store.database import session
from store.tables.people import User
from tests.imports import files
from tests.imports.test_api import HIRE, app  # noqa: F401  # pyright: ignore[reportUnusedImport]

pytestmark = pytest.mark.asyncio(loop_scope="session")

main = typer.Typer()
main.command("import")(import_command)
main.command("hires")(hires)
main.add_typer(process_app, name="process")


async def run(*arguments: str | Path) -> Result:
    console.width = 200  # no sentence of a table is broken across lines
    return await asyncio.to_thread(CliRunner().invoke, main, [str(a) for a in arguments])


@pytest_asyncio.fixture(loop_scope="session")
async def running(app: FastAPI, settings: Settings) -> AsyncIterator[Path]:  # noqa: F811
    """A served API and its run.json."""
    port = Ports(settings.data_dir / "ports.json").choose("api", 28000)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    users: list[dict[str, Any]] = [
        {"name": "admin", "password": "baoqi-demo", "roles": ["admin"]},
        {"name": "clerk", "password": "baoqi-demo", "roles": ["clerk"]},
    ]
    (settings.data_dir / "run.json").write_text(json.dumps({"api": f"http://127.0.0.1:{port}", "users": users}))
    yield settings.data_dir
    server.should_exit = True
    await task


async def test_start_from_the_command_line(running: Path, tmp_path: Path) -> None:
    refused = tmp_path / "refused.xlsx"
    first = await run("process", "start", "enrolment", files.SAMPLE, "--refused", refused)
    assert first.exit_code == 0, first.output
    assert "已启动 started: 9" in first.output and "enrolment-FE" in first.output
    assert "缺少工作许可签发日期" in first.output and "Work permit issued on is missing" in first.output
    assert refused.stat().st_size > 1000
    again = await run("import", "enrolment", files.SAMPLE, "--strict")
    assert again.exit_code == 2 and "已启动 started: 0" in again.output

    header, first, *_ = files.sample_rows()
    copies, changed = tmp_path / "copies.xlsx", tmp_path / "changed.xlsx"
    copies.write_bytes(files.xlsx([header, first, first]))
    changed.write_bytes(files.xlsx([header, [*first[:17], 18001, *first[18:]]]))
    copied = await run("process", "start", "enrolment", copies, "--strict")
    assert copied.exit_code == 0 and "重复 duplicate: 2" in copied.output
    assert (await run("process", "start", "enrolment", changed, "--strict")).exit_code == 2

    record = tmp_path / "one.json"
    record.write_text(json.dumps(HIRE))
    one = await run("process", "start", "enrolment", record)
    assert one.exit_code == 0 and "enrolment-FE" in one.output
    same = await run("process", "start", "enrolment", record)
    assert same.exit_code == 2 and "duplicate_case" in same.output
    assert "未重复启动" in same.output and "nothing was started" in same.output

    header, *people = files.sample_rows()[:2]
    odd = tmp_path / "odd.xlsx"
    odd.write_bytes(files.xlsx([["证明材料" if h == "协议国参保证明" else h for h in header], *people]))
    unread = await run("import", "enrolment", odd, "--preview")
    assert unread.exit_code == 0 and "列“证明材料”没有读取" in unread.output and "was not read" in unread.output

    made = tmp_path / "hires.xlsx"
    assert (await run("hires", "--rows", "12", "--out", made)).exit_code == 0
    fresh = await run("import", "enrolment", made, "--data", running)
    assert fresh.exit_code == 0 and "已启动 started: 8" in fresh.output


async def test_a_person_with_a_second_passport_is_decided_about_on_the_command_line(
    running: Path, tmp_path: Path
) -> None:
    header, first, *_ = files.sample_rows()
    number = header.index("证件号码")
    renewed = [*first[:number], "TZ1234567", *first[number + 1 :]]
    one, two, record = tmp_path / "one.xlsx", tmp_path / "two.xlsx", tmp_path / "one.json"
    one.write_bytes(files.xlsx([header, first]))
    two.write_bytes(files.xlsx([header, renewed]))
    await run("import", "enrolment", one)
    asked = await run("import", "enrolment", two)
    assert "请确认 to decide: Haruto Tanaka: --another-person 2 / --same-person 2" in asked.output
    same = await run("import", "enrolment", two, "--same-person", "2", "--strict")
    assert same.exit_code == 0, "what was asked for is done"
    assert "已启动 started: 0" in same.output and "证件已更新为本行的证件" in same.output
    other = await run("import", "enrolment", one, "--another-person", "2")
    assert "已启动 started: 1" in other.output

    record.write_text(json.dumps(HIRE))
    assert (await run("process", "start", "enrolment", record)).exit_code == 0
    record.write_text(json.dumps({**HIRE, "id_number": "C87654321"}))
    refused = await run("process", "start", "enrolment", record)
    assert refused.exit_code == 2 and "person_alike" in refused.output
    replaced = await run("process", "start", "enrolment", record, "--same-person", "1")
    assert replaced.exit_code == 0 and "document replaced: enrolment-FE" in replaced.output


async def test_what_cannot_be_done_ends_with_two_and_a_sentence(running: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.xlsx"
    bad.write_bytes(b"PK\x03\x04 broken")
    for arguments, words in (
        (("import", "enrolment", bad), "file_corrupt"),
        (("import", "enrolment", tmp_path / "no.xlsx"), "没有文件"),
        (("import", "enrolment", files.SAMPLE, "--user", "clerk", "--password", "wrong"), "bad_credentials"),
        (("import", "enrolment", files.SAMPLE, "--url", "http://127.0.0.1:9", "--token", "x"), "无法连接"),
        (("import", "enrolment", files.SAMPLE, "--data", tmp_path), "没有找到正在运行的保期"),
    ):
        result = await run(*arguments)
        assert result.exit_code == 2 and words in result.output and "Traceback" not in result.output, result.output


async def test_a_user_and_a_token_made_in_the_console_work(running: Path, settings: Settings) -> None:
    script = (
        "import typer; from cli.users import user_app, token_app; main = typer.Typer();"
        "main.add_typer(user_app, name='user'); main.add_typer(token_app, name='token'); main()"
    )
    environment = {"BAOQI_DATABASE_URL": settings.database_url, "BAOQI_DATA_DIR": str(settings.data_dir), "PATH": ""}

    async def console(*arguments: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True
        )

    added = await console(
        "user", "add", "robot", "--role", "college", "--org-unit", "business", "--password", "long enough",
        "--name", "胡芳", "--email", "hu@school.example",
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    async with session() as s:
        before = await s.get_one(User, "robot")
    moved = await console("user", "add", "robot", "--role", "college", "--org-unit", "law")  # asks for no password
    assert moved.returncode == 0, moved.stderr
    async with session() as s:
        user = await s.get_one(User, "robot")
    assert [u.org_unit for u in user.org_units] == ["law"]
    assert (user.name_zh, user.email) == ("胡芳", "hu@school.example") and user.password_hash == before.password_hash
    token = (await console("token", "create", "robot")).stdout.strip()
    assert token.startswith("bq_")
    result = await run("import", "enrolment", files.SAMPLE, "--token", token)
    assert (
        result.exit_code == 0 and "已启动 started: 1" in result.output
    )  # the two people of 法学院, one of them faulty

    shut = await console("user", "close", "robot", "--reason", "停用接口")
    assert shut.returncode == 0 and "已停用 closed: robot" in shut.stdout, shut.stderr
    assert (await console("token", "create", "robot")).returncode == 2
    wrong = await console("user", "reopen", "nobody", "--reason", "返聘")
    assert wrong.returncode == 2 and "没有用户 nobody" in wrong.stderr and "Traceback" not in wrong.stderr
    wrong = await console("user", "add", "x", "--role", "king", "--password", "long enough")
    assert wrong.returncode == 2 and "角色无效" in wrong.stderr and "Traceback" not in wrong.stderr
    assert (await console("token", "create", "nobody")).returncode == 2
