"""`baoqi demo hires` and `baoqi demo fast-forward`: people to try with, and a clock that can be moved.

Heavy modules (database, Temporal) are imported by the commands that need them. `create_demo` makes the demo university.
"""

import asyncio
import random
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from cli.demo_people import demo_hires, write_hires
from cli.http import fail
from runtime import clock
from runtime.settings import Settings, get_settings, use_settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

app = typer.Typer(help="演示 Demo", no_args_is_help=True)
console = Console()


@app.command("hires")
def hires(
    rows: Annotated[int, typer.Option("--rows", min=1, max=2000, help="行数 Number of rows")] = 12,
    out: Annotated[Path, typer.Option("--out", help="输出文件 File to write")] = Path("foreign_hires_demo.xlsx"),
    seed: Annotated[
        int | None, typer.Option("--seed", help="相同种子得到相同人员 The same seed, the same people")
    ] = None,
) -> None:
    """生成日期在今天前后的外籍人员表格，含若干错误 A list of foreign hires with dates around today, some faulty."""
    chosen = seed if seed is not None else random.SystemRandom().randrange(1, 10**9)
    content = write_hires(demo_hires(rows, clock.today(), chosen))
    try:
        out.write_bytes(content)
    except OSError as error:
        fail(f"无法写入 {out}：{error.strerror}。", f"{out} cannot be written: {error.strerror}.")
    console.print(f"已写入 {rows} 行 {rows} rows written: {out} (seed {chosen})", highlight=False)


@app.command("fast-forward")
def fast_forward_command(
    case: Annotated[
        str | None, typer.Argument(help="案件号或流程号，缺省为全部 Case; all open ones if left out")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="前进的天数 Days to go forward")] = 1,
    data: Annotated[Path | None, typer.Option("--data", help="数据目录 Data folder")] = None,
) -> None:
    """把演示时钟向前拨 Moves the demo's clock forward: reminders and escalations can be watched."""
    if data is not None:
        use_settings(Settings(data_dir=data))  # pyright: ignore[reportCallIssue]
    if not get_settings().demo:
        fail("这不是演示系统，时钟不能拨动。", "This is no demo installation; its clock cannot be moved.")
    from cli.demo_clock import command

    moved, stuck = asyncio.run(command(case, days))
    console.print(
        f"已前进 {days} 天：{len(moved)} 个流程。{len(moved)} processes went {days} days forward.", highlight=False
    )
    if stuck:
        fail(
            "以下流程未能前进（可能有正在进行的自动步骤），请稍后再试：" + "、".join(stuck),
            "These did not move (an automatic step may be under way); try again later: " + ", ".join(stuck),
        )


async def create_demo(session: "AsyncSession") -> list[dict[str, Any]]:
    """The demo university with its past in the caller's transaction; gives every login as `{name, password, roles}`.
    Idempotent."""
    from cli.demo_university import create_demo as create
    from cli.demo_university import create_past

    users = await create(session)
    await create_past(session, clock.today())
    return users
