"""How late reminders are when thousands of deadlines are due in the same minute.

`make bench WHAT=reminders` (or `python -m bench.reminders [--cases 3000] [--minutes 12] [--out FILE]`): starts an
installation as `baoqi up` does, moves the hour of one rung of the ladder to a minute soon to come the way the office
would (proposed, approved by somebody else, applied), starts so many enrolments whose legal date puts that rung on
today, and looks at the rows until every reminder is in somebody's inbox. Nothing here fails because something is slow;
a reminder that is lost or doubled ends it with an error.
"""

import argparse
import asyncio
import os
import sys
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import quantiles

from sqlalchemy import text

import policies
from bench import where
from bench.clerks import Clerk, Unexpected, hire
from bench.human_tasks import machine, say
from bench.installation import ROOT, Installation, installation
from domain import ladder, policy
from domain.calendar import work_calendar
from domain.deadlines import compute
from domain.policy_changes import overlay
from runtime import clock
from schemas.deadlines import PolicySnapshot
from schemas.policy import ChangeKind, PolicyChange
from store import database

RESULT = ROOT / "bench" / "results" / "reminders.md"
GOAL_SECONDS = 60
RUNG = "holder-7"
RULE = "DL-REG-FOR"
MAKERS = 5
LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 1200


class Failed(RuntimeError):
    """The run cannot say anything: too slow a start, or a reminder that is lost or doubled."""


@dataclass
class Found:
    """What the run saw: how late each reminder was, in seconds, and how many messages they made."""

    late: list[float]
    messages: int
    lasted: float  # seconds from the first reminder seen to the last
    processors: list[tuple[str, float]]  # milliseconds of processor time a reminder, by process

    @property
    def p50(self) -> float:
        return quantiles(self.late, n=100)[49]

    @property
    def p99(self) -> float:
        return quantiles(self.late, n=100)[98]


def changes(minute: str, today: date) -> list[PolicyChange]:
    """The rung at this hour; and the school at work today, because no rung falls on a rest day."""
    school = work_calendar(policy.snapshot(policies.read_all()).calendar("school"))
    found = [
        PolicyChange(
            file="ladders.yaml", kind=ChangeKind.FIELDS, key=f"ladders.default[{RUNG}]", new={"at": minute},
            source="bench", sample=True,
        )
    ]  # fmt: skip
    if school.is_rest(today):
        day = {
            "authority": "school", "what": "work", "valid_from": today.isoformat(), "valid_to": today.isoformat(),
            "name": {"zh": "加班", "en": "Day of work"},
        }  # fmt: skip
        found.append(
            PolicyChange(
                file="authority_days.yaml", kind=ChangeKind.ROW, key="days", new=day, source="bench", confidence="known"
            )
        )
    return found


def permit_day(rules: PolicySnapshot, instant: datetime, today: date) -> date:
    """The latest day of a permit with which the rung of the legal date falls on that instant."""
    for back in range(1, 60):
        issued = today - timedelta(days=back)
        due = compute(rules.rule(RULE), issued, rules, remaining_steps=["materials", "verification", "hand_in"])
        if any(r.rung == RUNG and r.at == instant for r in ladder.rungs([due], rules.ladder, rules)):
            return issued
    raise Failed(f"no permit of the last months puts {RUNG} on {instant}")


async def demo_user(running: Installation, name: str) -> Clerk:
    password = {u["name"]: u["password"] for u in running.file("run.json")["users"]}
    return await Clerk(running.api, name).sign_in(password[name])


async def change_rules(running: Installation, wanted: list[PolicyChange]) -> None:
    keeper, second = [await demo_user(running, name) for name in ("policy", "policy2")]
    for change in wanted:
        body = change.model_dump(mode="json", exclude_none=True, exclude={"id"}) | {"reason": "bench"}
        number = (await keeper.post("policy/changes", body))["id"]
        await second.post(f"policy/changes/{number}/approve", {})
        await keeper.post(f"policy/changes/{number}/apply", {})


async def start(clerks: list[Clerk], count: int, permit: date, units: list[str]) -> None:
    async def make(clerk: Clerk, numbers: range) -> None:
        for n in numbers:
            form = hire(n, clock.today(), units[n % len(units)]) | {"permit_issued": permit.isoformat()}
            await clerk.post("processes", {"kind": "enrolment", "input": form})

    await asyncio.gather(*(make(c, range(i, count, len(clerks))) for i, c in enumerate(clerks)))


async def tasks_open() -> int:
    async with database.reading() as s:
        return await s.scalar(text("SELECT count(*) FROM tasks WHERE closed_at IS NULL")) or 0


async def watch(running: Installation, instant: datetime, count: int) -> Found:
    """Looks at the rows until each case has its reminder; counts the time until a row can be read."""
    seen: dict[str, float] = {}
    query = text("SELECT DISTINCT key FROM reminders WHERE due_at = :at AND rung = :rung AND message_id IS NOT NULL")
    limit = time.monotonic() + PATIENCE_SECONDS
    idle = running.cpu()
    while len(seen) < count and time.monotonic() < limit:
        async with database.reading() as s:
            keys = list(await s.scalars(query, {"at": instant, "rung": RUNG}))
        late = (clock.real_now() - instant).total_seconds()
        for key in keys:
            seen.setdefault(key, late)
        await asyncio.sleep(LOOK_SECONDS)
    spent = running.cpu()
    await asyncio.sleep(10 * LOOK_SECONDS)  # a doubled one would come now
    async with database.reading() as s:
        reminders, messages = (
            await s.execute(
                text(
                    "SELECT count(*), count(DISTINCT message_id) FROM reminders"
                    " WHERE due_at = :at AND rung = :rung AND message_id IS NOT NULL"
                ),
                {"at": instant, "rung": RUNG},
            )
        ).one()
        written = await s.scalar(
            text(
                "SELECT count(*) FROM messages WHERE task_id IN (SELECT task_id FROM reminders"
                " WHERE due_at = :at AND rung = :rung) AND key LIKE 'reminder/%'"
            ),
            {"at": instant, "rung": RUNG},
        )
    if len(seen) != count:
        raise Failed(f"{count - len(seen)} of {count} reminders did not come")
    if not reminders == messages == written:
        raise Failed(f"{reminders} rungs of recipients made {messages} messages, {written} are there")
    late = sorted(seen.values())
    return Found(late, messages, late[-1] - late[0], where.processor_lines(idle, spent, count))


async def go(running: Installation, count: int, minutes: int) -> tuple[Found, float]:
    today = clock.today()
    instant = (clock.now() + timedelta(minutes=minutes)).replace(second=0, microsecond=0)
    wanted = changes(instant.astimezone(clock.SHANGHAI).strftime("%H:%M"), today)
    rules = policy.snapshot(overlay(policies.read_all(), wanted))
    permit = permit_day(rules, instant, today)
    await change_rules(running, wanted)
    say(f"{RUNG} is at {instant:%H:%M} UTC, permits are of {permit}")
    settings = running.file("settings.json")
    await database.configure(settings["database_url"])
    async with database.reading() as s:
        units = list(await s.scalars(text("SELECT id FROM org_units WHERE kind = 'college' ORDER BY id")))
    begun = time.monotonic()
    await start([await demo_user(running, "clerk") for _ in range(MAKERS)], count, permit, units)
    while await tasks_open() < count:
        if clock.real_now() > instant - timedelta(seconds=20):
            raise Failed(f"only {await tasks_open()} of {count} cases were there in time: more --minutes")
        await asyncio.sleep(1)
    took = time.monotonic() - begun
    say(f"{count} cases made in {took:.0f} s")
    await asyncio.sleep(max(0.0, (instant - clock.real_now()).total_seconds() - 5))
    found = await watch(running, instant, count)
    await database.dispose()
    return found, took


def report(found: Found, count: int, took: float, load: float) -> str:
    before = sum(1 for s in found.late if s <= GOAL_SECONDS)
    return "\n".join(
        [
            "# Reminders due in the same minute",
            "",
            f"{clock.today()}, {machine()}. Load of the machine by others just before: {load:.1f}.",
            "",
            f"{count} open enrolments, started in {took:.0f} s; one rung of each is due in the same second.",
            "",
            "| reminders | messages | p50 late | p99 late | last | within 60 s |",
            "|---|---|---|---|---|---|",
            f"| {len(found.late)} | {found.messages} | {found.p50:.1f} s | **{found.p99:.1f} s** "
            f"| {found.late[-1]:.1f} s | {100 * before / count:.1f} % |",
            "",
            f"Goal: {GOAL_SECONDS} s. None lost, none doubled (the run ends with an error otherwise). The first came "
            f"{found.late[0]:.1f} s after its instant, then {count / max(found.lasted, 0.001):.0f} a second. "
            "How to read this: `bench/README.md`.",
            "",
            f"Processor time a reminder, all processes together: {sum(ms for _, ms in found.processors):.0f} ms ("
            + ", ".join(f"{name} {ms:.1f}" for name, ms in found.processors if ms >= 0.1)
            + ").",
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument(
        "--minutes", type=int, default=12, help="from the start until the rung; enough to make the cases"
    )
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    try:
        with installation() as running:
            say("the product is up")
            found, took = asyncio.run(go(running, chosen.cases, chosen.minutes))
    except (Failed, Unexpected) as error:
        say(str(error))
        return 1
    written = report(found, chosen.cases, took, load)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(written)
    say("\n" + written)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the Temporal client can abort the interpreter while it finalises
