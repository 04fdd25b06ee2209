"""`baoqi user add`, `close` and `reopen`, `baoqi token create`: straight in this installation's database.

The database's modules are imported by the commands: `--help` must not load a driver.
"""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.http import fail
from runtime import clock
from runtime.settings import Settings, use_settings

user_app = typer.Typer(help="用户 Users", no_args_is_help=True)
token_app = typer.Typer(help="访问令牌 API tokens", no_args_is_help=True)
console = Console()

Data = Annotated[Path | None, typer.Option("--data", help="数据目录 Data folder")]
MIN_PASSWORD = 8


def _use(data: Path | None) -> None:
    if data is not None:
        use_settings(Settings(data_dir=data))  # pyright: ignore[reportCallIssue]


@user_app.command("add")
def user_add(
    username: Annotated[str, typer.Argument(help="登录名 Login name")],
    role: Annotated[list[str], typer.Option("--role", help="角色，可重复 Role, may be repeated")],
    name: Annotated[str, typer.Option("--name", help="姓名 Name")] = "",
    name_en: Annotated[str, typer.Option("--name-en", help="英文姓名 Name in English")] = "",
    org_unit: Annotated[list[str] | None, typer.Option("--org-unit", help="负责的学院代码 College in scope")] = None,
    email: Annotated[str | None, typer.Option("--email", help="邮箱 E-mail")] = None,
    password: Annotated[str | None, typer.Option("--password", help="密码 Password")] = None,
    data: Data = None,
) -> None:
    """添加用户，或更新同名用户，未给出的项保持不变 Adds a user, or updates one: what is not given stays."""
    _use(data)
    if password is None and not asyncio.run(_known(username)):
        password = str(typer.prompt("密码 Password", hide_input=True, confirmation_prompt=True))
    if password is not None and len(password) < MIN_PASSWORD:
        fail(f"密码至少 {MIN_PASSWORD} 个字符。", f"The password needs at least {MIN_PASSWORD} characters.")
    active = asyncio.run(_add(username, password, role, name, name_en, org_unit, email))
    console.print(f"已保存用户 saved: {username} ({', '.join(role)})", highlight=False)
    if not active:
        console.print(
            f"该账号仍处于停用状态，启用请运行 baoqi user reopen {username}。 "
            f"The login stays closed: baoqi user reopen {username}.",
            highlight=False,
        )


async def _known(username: str) -> bool:
    from store import database
    from store.tables.people import User

    try:
        async with database.session() as session:
            return await session.get(User, username) is not None
    finally:
        await database.dispose()


async def _add(
    username: str,
    password: str | None,
    roles: list[str],
    name: str,
    name_en: str,
    org_units: list[str] | None,
    email: str | None,
) -> bool:
    """Whether the login is open. Of a known login what is not given stays."""
    from store import audit, database, users
    from store.tables.people import User

    try:
        async with database.session() as session:
            before = await session.get(User, username)
            if before is not None:
                own_name_en = before.name_en if before.name_en != before.name_zh else ""
                name, name_en, email = name or before.name_zh, name_en or own_name_en, email or before.email
                org_units = [u.org_unit for u in before.org_units] if org_units is None else org_units
            user = await users.create_user(
                session,
                username,
                password,
                name_zh=name or username,
                name_en=name_en,
                roles=roles,
                org_units=org_units,
                email=email,
            )
            audit.record(session, "console", "user.add", username, roles=roles)
            return user.active
    except users.BadUser as error:
        fail(str(error), "The user was not added.")
    finally:
        await database.dispose()


Reason = Annotated[str, typer.Option("--reason", help="理由 Why", prompt="理由 Why")]


@user_app.command("close")
def user_close(
    username: Annotated[str, typer.Argument(help="登录名 Login name")],
    reason: Reason,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="名下还有事项也立即停用 At once, though there is work to hand over")
    ] = False,
    data: Data = None,
) -> None:
    """停用账号：立即退出登录，不再收到消息、不再可选 Closes a login: signed out at once, told nothing."""
    _use(data)
    asyncio.run(_set_active(username, False, reason, anyway))
    console.print(f"已停用 closed: {username}", highlight=False)


@user_app.command("reopen")
def user_reopen(
    username: Annotated[str, typer.Argument(help="登录名 Login name")], reason: Reason, data: Data = None
) -> None:
    """重新启用账号；令牌须重新创建 Opens a closed login again; its tokens have to be made anew."""
    _use(data)
    asyncio.run(_set_active(username, True, reason, False))
    console.print(f"已启用 open: {username}", highlight=False)


async def _set_active(username: str, active: bool, reason: str, anyway: bool) -> None:
    from pydantic import ValidationError

    from api import logins
    from api.problems import NotFound, Problem
    from schemas.desk import LoginBody
    from store import database

    try:
        body = LoginBody(active=active, reason=reason.strip(), anyway=anyway)
        async with database.session() as session:
            done = await logins.set_active(session, "console", username, body)
        for lost in done.left.nobody_left:
            zh = f"{lost.case_no} {lost.title.zh}：无人可办，须有{lost.role.zh}。".lstrip()
            en = f"{lost.case_no} {lost.title.en}: nobody may do it, needs {lost.role.en}.".lstrip()
            console.print(f"! {zh} {en}", highlight=False)
    except ValidationError:
        fail("理由须为 2 至 500 个字。", "The reason needs 2 to 500 characters.")
    except NotFound:
        fail(f"没有用户 {username}。", f"There is no user {username}.")
    except Problem as problem:
        fail(problem.text.zh, problem.text.en)
    finally:
        await database.dispose()


@token_app.command("create")
def token_create(
    username: Annotated[str, typer.Argument(help="令牌代表的用户 The user it stands for")],
    title: Annotated[str, typer.Option("--title", help="用途 What it is for")] = "command line",
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="有效天数，缺省不过期 Valid for so many days")
    ] = None,
    data: Data = None,
) -> None:
    """创建访问令牌，只显示一次 Creates a bearer token; it is shown once."""
    _use(data)
    token = asyncio.run(_token(username, title, days))
    typer.echo(token)  # alone on its line, for scripts


async def _token(username: str, title: str, days: int | None) -> str:
    from store import audit, database, users
    from store.tables.people import User

    try:
        async with database.session() as session:
            user = await session.get(User, username)
            if user is None or not user.active:
                fail(f"没有用户 {username}。", f"There is no user {username}.")
            valid_for = timedelta(days=days) if days is not None else None
            token = await users.create_token(session, username, title, clock.real_now(), valid_for)
            audit.record(session, "console", "token.create", username, title=title)
            return token
    finally:
        await database.dispose()
