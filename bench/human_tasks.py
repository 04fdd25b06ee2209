"""How many human tasks a second, and how long until a click is seen: the whole product beside bare Temporal.

`make bench` (or `python -m bench.human_tasks`): starts an installation as `baoqi up` does, lets 5 and 20 clerks click
without pause through the real API, runs a bare workflow with as many updates on the same Temporal server between, says
where the time goes, and writes `bench/results/human_tasks.md`. Nothing here fails because something is slow.
"""

import argparse
import asyncio
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import quantiles
from typing import Any

from temporalio.client import Client

from bench import bare, where
from bench.clerks import PASSWORD, Case, Clerk, Timings, Unanswered, click_through, prepare
from bench.installation import ROOT, Installation, findings, installation, watched
from runtime import clock

RESULT = ROOT / "bench" / "results" / "human_tasks.md"
CLERKS = (5, 20)
GOAL = 0.3
LATER_SECONDS = 70  # longer than a step waits for its worker


@dataclass
class Round:
    """One number of clerks: the product, the product with every task opened, and bare Temporal."""

    clerks: int
    product: Timings
    opened: Timings
    bare_seconds: float
    bare_clicks: list[float]

    @property
    def rate(self) -> float:
        return len(self.product.clicks) / self.product.seconds

    @property
    def bare_rate(self) -> float:
        return len(self.bare_clicks) / self.bare_seconds


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """p50 and p95 in milliseconds."""
    cuts = quantiles(seconds, n=100)
    return 1000 * cuts[49], 1000 * cuts[94]


async def make_users(database_url: str, names: list[str]) -> list[str]:
    """The benchmark's clerks, who may also do a college's tasks; the ids of all colleges."""
    from sqlalchemy import select

    from store import database
    from store.tables.people import OrgUnit
    from store.users import create_user

    await database.configure(database_url)
    async with database.session() as s:
        units = list(await s.scalars(select(OrgUnit.id).where(OrgUnit.kind == "college").order_by(OrgUnit.id)))
        for name in names:
            await create_user(s, name, PASSWORD, name_zh=f"经办{name}", roles=["clerk", "college"], org_units=units)
    await database.dispose()
    return units


class Run:
    """One run of the benchmark."""

    def __init__(self, running: Installation, cases: int, rounds: int) -> None:
        self.running = running
        self.count = cases
        self.rounds = rounds
        self.done: list[Round] = []
        self.processors: list[tuple[str, float]] = []
        self.bare_processors: list[tuple[str, float]] = []
        self.trip = where.RoundTrip()
        self.found: dict[str, Any] = {}

    async def go(self) -> None:
        settings = self.running.file("settings.json")
        names = [f"bench{n:02d}" for n in range(1, max(CLERKS) + 1)]
        units = await make_users(settings["database_url"], names)
        clerks = [await Clerk(self.running.api, name).sign_in() for name in names]
        cases = await prepare(clerks, self.count, clock.today(), units)
        say(f"{len(cases)} cases made")
        client = await Client.connect(settings["temporal_address"], namespace="baoqi")
        worker = subprocess.Popen(
            [sys.executable, "-m", "bench.bare", settings["temporal_address"], "baoqi"],
            cwd=ROOT, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        try:
            assert worker.stdout is not None
            await asyncio.to_thread(worker.stdout.readline)
            await click_through(clerks[:5], cases, 2, say=lambda _: None)  # caches, pools, prepared statements
            for number in CLERKS:
                await self._round(number, clerks[:number], cases, client, worker.pid)
        except Unanswered as click:
            await asyncio.sleep(LATER_SECONDS)  # until it is done after all, so that the history says how
            say("\n".join([str(click), *await where.tail(client, click.case)]))
            raise
        finally:
            worker.terminate()
            worker.wait(20)
        await self._look_inside(clerks, cases, client)

    async def _round(
        self, number: int, clerks: list[Clerk], cases: list[Case], client: Client, bare_worker: int
    ) -> None:
        idle = self.running.cpu(bare_worker=bare_worker)
        bare_seconds, bare_clicks = await bare.click_through(client, number, len(cases), self.rounds)
        say(f"  {number} clients, bare: {len(bare_clicks) / bare_seconds:.1f} updates/s")
        before = self.running.cpu()
        spent = self.running.cpu(bare_worker=bare_worker)
        self.bare_processors = where.processor_lines(idle, spent, len(bare_clicks))
        product = await click_through(clerks, cases, self.rounds, say=say)
        after = self.running.cpu()
        self.processors = where.processor_lines(before, after, len(product.clicks))
        opened = await click_through(clerks, cases, max(2, self.rounds // 2), look=True, say=say)
        again, more = await bare.click_through(client, number, len(cases), self.rounds)
        self.done.append(Round(number, product, opened, bare_seconds + again, bare_clicks + more))
        if number == max(CLERKS):
            ids = [c.id for c in cases[::3]]
            self.trip = await where.round_trips(client, ids, product.started, product.ended)

    async def _look_inside(self, clerks: list[Clerk], cases: list[Case], client: Client) -> None:
        del client
        with watched(self.running):
            self.inside = await click_through(clerks, cases, max(2, self.rounds // 2), say=lambda _: None)
        self.found = await asyncio.to_thread(findings, self.running)


def say(line: str) -> None:
    print(line, flush=True)


def table(rounds: list[Round]) -> list[str]:
    lines = [
        "| clerks at once | bare, updates/s | product, tasks/s | ratio | click p50 | click p95 | next task p50 "
        "| next task p95 | bare p50 | bare p95 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rounds:
        click, visible, plain = percentiles(r.product.clicks), percentiles(r.opened.visible), percentiles(r.bare_clicks)
        times = " | ".join(f"{t:.0f} ms" for pair in (click, visible, plain) for t in pair)
        lines.append(f"| {r.clerks} | {r.bare_rate:.0f} | {r.rate:.1f} | **{r.rate / r.bare_rate:.2f}** | {times} |")
    return lines


def machine() -> str:
    """The machine in words, without its name."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = (line.partition(":") for line in cpuinfo.read_text().splitlines())
        model = next((value.strip() for name, _, value in lines if name.strip() == "model name"), "")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"{os.cpu_count()} processors ({model or platform.machine()}), {memory:.0f} GB, {platform.system()}, "
        f"Python {platform.python_version()}"
    )


def report(run: Run, load: float, day: date) -> str:
    last = run.done[-1]
    trip = run.trip.means()
    statements = {
        name: found["counts"].get("statements", 0) / max(1, len(run.inside.clicks)) for name, found in run.found.items()
    }
    used, bare_used = sum(ms for _, ms in run.processors), sum(ms for _, ms in run.bare_processors)
    lines = [
        "# Human tasks: the product beside bare Temporal",
        "",
        f"{day}, {machine()}. Load of the machine by others just before: {load:.1f}. "
        f"{run.count} cases, {run.rounds} tasks each a round, all processes and the clients on this one machine.",
        "",
        *table(run.done),
        "",
        f"Goal: ratio {GOAL}. Clicks that came before their task was there, and were repeated: "
        + ", ".join(f"{r.product.early} ({r.clerks} clerks)" for r in run.done)
        + ". How to read this: `bench/README.md`.",
        "",
        f"## Where the time goes ({last.clerks} clerks)",
        "",
        f"Processor time a task, all processes together: {used:.0f} ms; bare: {bare_used:.0f} ms an update. Ratio by "
        f"processor time, which other programs on the machine disturb less: **{bare_used / used:.2f}**.",
        "",
        "| process | product, ms a task | bare, ms an update |",
        "|---|---|---|",
        *where.side_by_side(run.processors, run.bare_processors),
        "",
        "One click's round trip through the engine, from the histories (means):",
        "",
        "| step | ms |",
        "|---|---|",
        f"| update at the server → checked and accepted by the workflow | {trip['accepted']:.0f} |",
        f"| activity scheduled → started by the worker | {trip['queued']:.0f} |",
        f"| the activity: one transaction that writes the rows | {trip['written']:.0f} |",
        f"| activity done → update completed | {trip['answered']:.0f} |",
        "",
        f"Events of the history a task: {sum(n for _, n in run.trip.events()):.1f}, "
        f"{run.trip.bytes / max(1, run.trip.updates) / 1000:.1f} kB. "
        f"Statements a task (BEGIN, COMMIT and checks of the pool not counted): "
        + ", ".join(f"{name} {n:.0f}" for name, n in statements.items())
        + ".",
        "",
        "| event | a task |",
        "|---|---|",
        *(f"| {kind} | {n:.2f} |" for kind, n in run.trip.events()),
        "",
        f"Steps inside of the processes, while {last.clerks} clerks click and the probe watches (means; a step "
        "contains those it calls, and waits for its turn):",
        "",
        "| process | step | times | ms |",
        "|---|---|---|---|",
        *where.step_lines(run.found),
        "",
        "Where threads were found busy (samples every 4 ms):",
        "",
        "| process | package | share |",
        "|---|---|---|",
        *where.busy_lines(run.found, "packages", 8),
        "",
        "| process | on behalf of | share |",
        "|---|---|---|",
        *where.busy_lines(run.found, "functions", 8),
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=4, help="tasks of each case in a round")
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    with installation() as running:
        say("the product is up")
        run = Run(running, chosen.cases, chosen.rounds)
        asyncio.run(run.go())
    text = report(run, load, clock.today())
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(text)
    say("\n" + "\n".join(text.splitlines()[4:40]))
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the Temporal client can abort the interpreter while it finalises
