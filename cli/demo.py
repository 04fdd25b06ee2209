"""`baoqi demo hires` and `baoqi demo fast-forward`: people to try with, and a clock that can be moved.

Fast-forward is for demos only: it moves the virtual time of running cases on a development server that allows it
(`frontend.WorkflowTimeSkippingEnabled`), then the clock that inbox and board compare with. It never goes
back.
"""

import asyncio
import random
from datetime import UTC, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from rich.console import Console
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from temporalio.api.common.v1 import TimeSkippingConfig, WorkflowExecution
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionOptionsRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper

from cli.demo_people import demo_hires, write_hires
from cli.demo_university import create_demo
from cli.http import fail
from runtime import clock
from runtime.settings import get_settings, use_settings
from runtime.temporal import connect
from store import audit, database, demo_clock
from store.tables.office import Setting
from store.tables.processes import Process

__all__ = ["app", "create_demo", "fast_forward"]

app = typer.Typer(help="演示 Demo", no_args_is_help=True)
console = Console()
PATIENCE_SECONDS = 60  # an activity that hangs holds a case's clock back; then it is named instead of waited for


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
        use_settings(type(get_settings())(data_dir=data))  # pyright: ignore[reportCallIssue]
    if not get_settings().demo:
        fail("这不是演示系统，时钟不能拨动。", "This is no demo installation; its clock cannot be moved.")
    moved, stuck = asyncio.run(_command(case, days))
    console.print(
        f"已前进 {days} 天：{len(moved)} 个流程。{len(moved)} processes went {days} days forward.", highlight=False
    )
    if stuck:
        fail(
            "以下流程未能前进（可能有正在进行的自动步骤），请稍后再试：" + "、".join(stuck),
            "These did not move (an automatic step may be under way); try again later: " + ", ".join(stuck),
        )


async def _command(case: str | None, days: int) -> tuple[list[str], list[str]]:
    try:
        return await fast_forward(await connect(get_settings()), case, timedelta(days=days))
    finally:
        await database.dispose()


async def fast_forward(client: Client, case: str | None, by: timedelta) -> tuple[list[str], list[str]]:
    """Moves one case, or all open processes and the demo's clock itself.

    The row's offset moves by what its process has really moved; a process that did not arrive is named.

    Returns: processes moved, processes that did not move in time.
    """
    async with database.session() as session:
        query = select(Process.id).where(Process.closed_at.is_(None)).order_by(Process.started_at)
        if case is not None:
            query = query.where((Process.id == case) | (Process.case_no == case))
        ids = list(await session.scalars(query))
    if case is not None and not ids:
        fail(f"没有在办的案件 {case}。", f"There is no open case {case}.")
    skipper = TimeSkipper(client)
    outcomes = await asyncio.gather(*(_move(skipper, process_id, by) for process_id in ids))
    seconds = int(by.total_seconds())
    async with database.session() as session:
        for process_id, moved_by in zip(ids, outcomes, strict=True):
            await session.execute(
                update(Process)
                .where(Process.id == process_id)
                .values(clock_offset_seconds=Process.clock_offset_seconds + moved_by)
            )
        if case is None:
            ahead = await demo_clock.stored(session) + seconds
            statement = insert(Setting).values(key=demo_clock.KEY, value=ahead)
            await session.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": ahead}))
        audit.record(session, "demo", "demo.fast_forward", case or "all", days=by.days, moved=len(ids))
    reached = {i: moved_by >= seconds for i, moved_by in zip(ids, outcomes, strict=True)}
    return [i for i in ids if reached[i]], [i for i in ids if not reached[i]]


async def _move(skipper: TimeSkipper, process_id: str, by: timedelta) -> int:
    """Moves one workflow. Gives the seconds it has moved: less than asked where it ended or an activity held it back.

    A move that does not arrive in time is called off, so that it cannot go on behind our back.
    """
    handle = skipper.client.get_workflow_handle(process_id)
    try:
        before = await _ahead(handle)
        try:
            arrived = await asyncio.wait_for(skipper.fast_forward(handle, by), PATIENCE_SECONDS)
        except TimeoutError:
            await _call_off(skipper.client, process_id)
            arrived = False
        moved = await _ahead(handle) - before
        # The server's reading of the two clocks can differ by a second; a move that arrived is exact.
        return int(by.total_seconds()) if arrived else max(0, round(moved.total_seconds()))
    except RPCError as error:
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION):
            return 0
        if error.status in (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.INVALID_ARGUMENT):
            fail(
                "该 Temporal 服务器不支持快进（需 frontend.WorkflowTimeSkippingEnabled=true 的开发服务器）。",
                "This Temporal server cannot skip time (a development server with "
                "frontend.WorkflowTimeSkippingEnabled=true can).",
            )
        raise


async def _ahead(handle: WorkflowHandle[Any, Any]) -> timedelta:
    """How far a workflow's clock is ahead of the machine's; zero for one that never skipped."""
    description = await handle.describe()
    extended = description.raw_description.workflow_extended_info
    if not extended.HasField("time_skipping_info"):
        return timedelta()
    return extended.time_skipping_info.current_time.ToDatetime(UTC) - clock.real_now()


async def _call_off(client: Client, process_id: str) -> None:
    """Ends a fast-forward that is still armed."""
    request = UpdateWorkflowExecutionOptionsRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=process_id),
        workflow_execution_options=WorkflowExecutionOptions(time_skipping_config=TimeSkippingConfig(enabled=False)),
        update_mask=FieldMask(paths=["time_skipping_config"]),
        identity=client.identity,
    )
    await client.workflow_service.update_workflow_execution_options(request, retry=True)
