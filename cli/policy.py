"""`baoqi policy check`: every file of the rules against its schema; overlaps, gaps, missing sources, samples, reviews.

What is checked are the shipped files with the applied changes of the installation, when its database answers.
Exit code 0 when the rules can be used, with what one should know; 2 when one is broken, named by file and line.
"""

import asyncio
from collections.abc import Mapping

import typer

import policies
from domain import policy, policy_findings, policy_origin
from domain.policy_changes import overlay
from domain.policy_findings import Finding
from runtime import clock
from runtime.settings import get_settings
from schemas.policy import PolicyChange

app = typer.Typer(help="政策数据 Rules", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """政策数据 Rules."""


@app.command("check")
def check() -> None:
    """检查政策数据文件 Check the files of the rules."""
    shipped = policies.read_all()
    changes = applied_changes()
    try:
        texts = overlay(shipped, changes)
        found = policy_findings.check(texts, clock.today())
        version = policy.snapshot(texts).version if not any(f.level == "error" for f in found) else ""
    except policy.PolicyError as error:
        typer.echo(f"✗ {error.text.zh}\n  {error.text.en}", err=True)
        raise typer.Exit(2) from error
    broken = [f for f in found if f.level == "error"]
    for finding in broken:
        typer.echo(f"✗ {finding.place} {finding.text.zh}\n  {finding.place}: {finding.text.en}", err=True)
    if broken:
        raise typer.Exit(2)
    typer.echo(f"✓ {len(texts)} 个文件可读 files read; 版本 version {version}")
    if changes:
        typer.echo(f"✓ 已含 {len(changes)} 项生效的变更 with {len(changes)} applied changes")
        for number, change in enumerate(changes, start=1):
            what = f"{change.file} {change.key}".strip()
            typer.echo(f"  {number}. {what} ← {change.source} {address_of(change)}")
    years = [str(y.year) for y in policy.calendar_years(texts) if not y.provisional]
    typer.echo(f"✓ 已公布的日历 Published calendars: {', '.join(years)}")
    for finding in found:
        typer.echo(f"! {finding.place} {finding.text.zh} {finding.text.en}{_brought_by(finding, texts, changes)}")


def address_of(change: PolicyChange) -> str:
    """The page of a change: its address where the installation's is known, else the path on it."""
    return f"{get_settings().public_url.rstrip('/')}/policy/changes/{change.id}"


def _brought_by(finding: Finding, texts: Mapping[str, str], changes: list[PolicyChange]) -> str:
    """Which change brought the value that a finding speaks of."""
    if not changes or finding.kind not in ("review", "gap") or finding.line is None:
        return ""
    value = next((v for v in policy_findings.values(finding.file, texts) if v.line == finding.line), None)
    change = policy_origin.origin(value, changes) if value is not None else None
    return f" ← {address_of(change)}" if change is not None else ""


def applied_changes() -> list[PolicyChange]:
    """The changes that this installation has applied; none, with a word of it, when its database does not answer."""
    if not get_settings().database_url:
        return []
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return asyncio.run(_load())
    except (SQLAlchemyError, OSError) as error:
        typer.echo(
            f"! 数据库未连接（{type(error).__name__}），仅按随附规则。 No database: the shipped rules alone.", err=True
        )
        return []


async def _load() -> list[PolicyChange]:
    from store import database
    from store import policies as in_force

    try:
        async with database.session() as session:
            return await in_force.applied(session)
    finally:
        await database.dispose()
