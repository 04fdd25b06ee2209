"""`baoqi policy check`: reads every file of the rules as the running system does, and says what is missing or a sample.

Exit code 0 when all files can be read; 2 with a sentence that names file and place when one is broken.
"""

from datetime import timedelta

import typer

import policies
from domain import policy, policy_check, tables
from runtime import clock

app = typer.Typer(help="政策数据 Rules", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """政策数据 Rules."""


@app.command("check")
def check() -> None:
    """检查政策数据文件 Check the files of the rules."""
    try:
        texts = policies.read_all()
        snapshot = policy.snapshot(texts)
        rules = policy.deadline_rules(texts)
        years = policy.calendar_years(texts)
        policy_check.check_all(texts)
    except policy.PolicyError as error:
        typer.echo(f"✗ {error.text.zh}\n  {error.text.en}", err=True)
        raise typer.Exit(2) from error
    samples = sorted(rule.id for rule in rules if rule.sample)
    published = [year.year for year in years if not year.provisional]
    typer.echo(f"✓ {len(texts)} 个文件可读 files read; 版本 version {snapshot.version}")
    typer.echo(f"✓ 已公布的日历 Published calendars: {published[0]}-{published[-1]}" if published else "! 没有日历")
    ahead = (clock.now() + timedelta(days=90)).astimezone(clock.SHANGHAI).year
    if ahead not in published:
        typer.echo(
            f"! {ahead} 年日历尚未录入，该年的期限为暂定。 The calendar of {ahead} is not in: deadlines provisional."
        )
    for name, due in tables.review_due(texts, clock.today()):
        typer.echo(f"! {name}：应于 {due} 前复核。 {name}: to be reviewed by {due}.")
    if samples:
        typer.echo(f"! 示例值，上线前须确认 Samples, to be confirmed before use: {', '.join(samples)}")
