"""A month's premiums for 100,000 staff: written to the ledger beside PostgreSQL's own INSERT … SELECT of the same rows,
and the sums alone beside OpenFisca-Core.

`python -m bench.contributions [--people 100000] [--rounds 3] [--out FILE]`: one run, rounds alternate, medians. The
database is an embedded PostgreSQL of its own with the product's settings. Nothing here fails because something is slow;
it stops when a cent is wrong.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from statistics import median

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy import text

from bench.database import measured_database
from bench.human_tasks import machine, say
from bench.installation import ROOT
from bench.openfisca_month import PARTS, Floats, half_even, half_up, monthly_system
from domain.bulk_contributions import BulkLine, month_lines, yuan
from domain.contributions import premium
from domain.times import months_between
from runtime import clock
from store import database, rule_tables
from store.month_lines import InsuredMonth, write_month

RESULT = ROOT / "bench" / "results" / "contributions.md"
MONTH = "2026-11"
MONTHS = months_between("2024-01", MONTH)
KNOWN_ON = date(2026, 11, 25)
SHARES = {"CONTRACT_MAINLAND": 0.6, "ESTAB_MAINLAND": 0.4}  # the two pension schemes
SEED = 20261125
SAMPLE = 50  # every so many people are computed again by `premium`, in Decimal
WRITE_GOAL, SUMS_GOAL = 3.0, 2.0
VARIANTS = {
    "float32 as OpenFisca keeps it, half up": (Floats.plain, half_up),
    "float64 inside the formulas, half up": (Floats.double, half_up),
    "float64 inside the formulas, numpy.round": (Floats.double, half_even),
}
PERSONS = text(
    "INSERT INTO persons (id, name, pinyin, initials, country, id_hash, permit_hash, who_hash, secrets, created_at,"
    " updated_at) SELECT 'p' || lpad(n::text, 7, '0'), 'Staff ' || n, 'staff', 's', 'CHN', 'hash-' || n,"
    " 'permit-' || n, 'who-' || n, '', now(), now()"
    " FROM generate_series(0, :count - 1) n"
)
# The rows as the product wrote them, in a table without index or key: what INSERT … SELECT reads.
READY = text("CREATE UNLOGGED TABLE ready AS SELECT * FROM premium_lines")
PLAIN = text("INSERT INTO premium_lines SELECT * FROM ready")


@dataclass
class Staff:
    """People of one category: their wages in cents, and the same people as the ledger takes them."""

    category: str
    wages: NDArray[np.int64]
    insured: list[InsuredMonth]


@dataclass
class Times:
    """Seconds of each round by what was done."""

    seconds: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds.setdefault(name, []).append(time.perf_counter() - began)

    def median(self, name: str) -> float:
        return median(self.seconds[name])

    def rounds(self, name: str) -> int:
        return len(self.seconds[name])

    def row(self, name: str, title: str, per: int) -> str:
        rounds = self.seconds[name]
        middle = self.median(name)
        return f"| {title} | {_time(middle)} | {per / middle:,.0f} | {_time(min(rounds))} | {_time(max(rounds))} |"


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


def wages_of(count: int, chance: np.random.Generator) -> NDArray[np.int64]:
    """Wages in cents, spread around the average wage and over both limits; a fifth ends in exactly half a yuan, a tenth
    in 5 yuan, so that many amounts fall on half a cent."""
    found = np.exp(chance.normal(np.log(9000_00), 0.6, count)).astype(np.int64).clip(500_00, 200_000_00)
    kind = chance.random(count)
    found = np.where(kind < 0.2, found // 100 * 100 + 50, found)
    return np.where(kind > 0.9, found // 1000 * 1000 + 500, found)


def staff_of(people: int) -> list[Staff]:
    chance = np.random.default_rng(SEED)
    found: list[Staff] = []
    number = 0
    for category, share in SHARES.items():
        wages = wages_of(round(people * share), chance)
        insured = [
            InsuredMonth(f"monthly-p{n:07d}", f"p{n:07d}", f"college{n % 40:02d}", category, Decimal(wage).scaleb(-2))
            for n, wage in enumerate(wages.tolist(), start=number)
        ]
        number += len(insured)
        found.append(Staff(category, wages, insured))
    return found


# --- The sums ---


def computed(staff: list[Staff]) -> list[list[BulkLine]]:
    """The product's sums."""
    loaded = rule_tables.load()
    found: list[list[BulkLine]] = []
    for group in staff:
        scheme, insurances = loaded.categories[group.category]
        found.append(month_lines(group.wages, MONTH, insurances, scheme, KNOWN_ON, loaded.contributions))
    return found


@dataclass
class Sums:
    """What the comparison of the sums found."""

    times: Times
    amounts: int
    halves: int
    wrong: dict[str, tuple[int, int]]  # variant -> wrong amounts, cents that the total is off


def sums(staff: list[Staff], rounds: int) -> Sums:
    """Both sides in turn; then every cent compared. Times are processor time: the sums take milliseconds in one thread,
    and what else the machine does would be most of what a clock shows."""
    times = Times()
    lines = computed(staff)
    exact_in_decimal(staff, lines)
    floats = [g.wages / 100 for g in staff]
    loaded = rule_tables.load()
    wrong: dict[str, tuple[int, int]] = {}
    for _ in range(rounds):
        began = time.process_time()
        computed(staff)
        times.seconds.setdefault("product", []).append(time.process_time() - began)
        for name, (width, rounding) in VARIANTS.items():
            off, drift = 0, 0
            spent = 0.0
            for group, declared, own in zip(staff, floats, lines, strict=True):
                scheme, insurances = loaded.categories[group.category]
                system = monthly_system(MONTHS, insurances, scheme, KNOWN_ON, loaded.contributions, width, rounding)
                simulation = system.simulation(len(declared))
                began = time.process_time()
                found = system.compute(simulation, declared, MONTH)
                spent += time.process_time() - began
                for line in own:
                    for part in PARTS:
                        theirs = np.rint(found[line.terms.line.insurance, part].astype(np.float64) * 100)
                        difference = theirs.astype(np.int64) - getattr(line, part)
                        off, drift = off + int(np.count_nonzero(difference)), drift + int(difference.sum())
            times.seconds.setdefault(name, []).append(spent)
            wrong[name] = (off, drift)
    return Sums(times, sum(2 * len(o[0].base) * len(o) for o in lines), sum(map(on_half_a_cent, lines)), wrong)


def on_half_a_cent(lines: list[BulkLine]) -> int:
    """How many amounts fall exactly between two cents before they are rounded."""
    found = 0
    for line in lines:
        for rate in (line.terms.rate.unit, line.terms.rate.person):
            found += int(np.count_nonzero(line.base * int(rate * 1_000_000) % 10_000 == 5_000))
    return found


def exact_in_decimal(staff: list[Staff], lines: list[list[BulkLine]]) -> None:
    """Stops when one of the sampled people is not the same to the cent as computed alone, in Decimal."""
    loaded = rule_tables.load()
    for group, own in zip(staff, lines, strict=True):
        scheme, insurances = loaded.categories[group.category]
        for n in range(0, len(group.insured), SAMPLE):
            alone = premium(group.insured[n].declared, MONTH, insurances, scheme, KNOWN_ON, loaded.contributions)
            bulk = [(int(b.base[n]), yuan(int(b.unit[n])), yuan(int(b.person[n]))) for b in own]
            if bulk != [(int(a.base), a.unit_amount, a.person_amount) for a in alone]:
                raise SystemExit(f"a cent is wrong for {group.insured[n].declared}: {bulk}")


# --- The ledger ---


@dataclass
class Ledger:
    """What the comparison of writing found."""

    times: Times
    rows: int
    size: str


async def ledger(staff: list[Staff], rounds: int, dsn: str) -> Ledger:
    """The product's month and PostgreSQL's own INSERT in turn, each into the empty table with its indexes and keys."""
    times = Times()
    everybody = [i for group in staff for i in group.insured]

    async def product() -> int:
        async with database.session() as s:
            return await write_month(
                s, everybody, month=MONTH, payment_month=MONTH, known_on=KNOWN_ON, now=clock.now(), actor="system"
            )

    async def plain() -> int:
        async with database.session() as s:
            return (await s.execute(PLAIN)).rowcount  # pyright: ignore[reportAttributeAccessIssue]

    async with database.session() as s:
        await s.execute(PERSONS, {"count": len(everybody)})
    await _emptied(dsn)
    rows = await product()
    await _agrees(staff)
    async with database.session() as s:
        await s.execute(READY)
        size = str(await s.scalar(text("SELECT pg_size_pretty(pg_table_size('premium_lines'))")))
    kinds: dict[str, Callable[[], Awaitable[int]]] = {"plain": plain, "product": product}
    for _ in range(rounds):
        for name, write in kinds.items():
            await _emptied(dsn)
            with times.measure(name):
                written = await write()
            if written != rows:
                raise SystemExit(f"{name} wrote {written} rows instead of {rows}")
            say(f"  {name}: {times.seconds[name][-1]:.1f} s")
    return Ledger(times, rows, size)


async def _emptied(dsn: str) -> None:
    """An empty ledger and a server that has nothing left to write from the round before."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("TRUNCATE premium_lines CASCADE")
        await connection.execute("ANALYZE persons")
        await connection.execute("CHECKPOINT")


async def _agrees(staff: list[Staff]) -> None:
    """Stops when the ledger's totals are not those of the sums."""
    own = [yuan(int(sum(int(getattr(b, p).sum()) for o in computed(staff) for b in o))) for p in PARTS]
    async with database.session() as s:
        found = (await s.execute(text("SELECT sum(unit_amount), sum(person_amount) FROM premium_lines"))).one()
    if list(found) != own:
        raise SystemExit(f"the ledger says {tuple(found)}, the sums {own}")


# --- The report ---


def report(people: int, books: Ledger, found: Sums, load: float, day: date) -> str:
    write = books.times.median("product") / books.times.median("plain")
    fastest = min(VARIANTS, key=found.times.median)
    ratio = found.times.median("product") / found.times.median(fastest)
    lines = [
        "# A month's premiums for everybody: the ledger and the sums",
        "",
        f"{day}, {machine()}. Load of the machine by others just before: {load:.1f}. {people:,} people, month {MONTH}, "
        f"{books.rows:,} lines; "
        f"{books.times.rounds('plain')} rounds of the ledger, "
        f"{found.times.rounds('product')} of the sums. "
        "How to read this: `bench/README.md`.",
        "",
        "## Computed and written to the ledger",
        "",
        "| what | median | rows a second | fastest | slowest |",
        "|---|---|---|---|---|",
        books.times.row("product", "the product: computed, explained, written, committed", books.rows),
        books.times.row("plain", "PostgreSQL: INSERT … SELECT of the same rows", books.rows),
        "",
        f"Ratio: **{write:.2f}**, goal: at most {WRITE_GOAL:g}. Size of the rows: {books.size}, without indexes. The "
        "ledger's totals are those of the sums.",
        "",
        "## The sums alone (processor time)",
        "",
        "| what | median | amounts a second | fastest | slowest |",
        "|---|---|---|---|---|",
        found.times.row("product", "the product: whole numbers, exact", found.amounts),
        *(found.times.row(v, f"OpenFisca-Core: {v}", found.amounts) for v in VARIANTS),
        "",
        f"Ratio to the fastest of them: **{ratio:.2f}**, goal: at most {SUMS_GOAL:g}.",
        "",
        "## Cents",
        "",
        f"{found.amounts:,} amounts, {found.halves:,} of them exactly on half a cent before they are rounded. The "
        f"product's are equal to `domain.contributions.premium` (Decimal) for one in {SAMPLE} people.",
        "",
        "| floats | wrong amounts | the month's total is off by |",
        "|---|---|---|",
        *(f"| {v} | {n:,} | {Decimal(d).scaleb(-2):,} yuan |" for v, (n, d) in found.wrong.items()),
        "",
    ]
    return "\n".join(lines)


async def run(people: int, rounds: int) -> str:
    load = os.getloadavg()[0]
    staff = staff_of(people)
    found = sums(staff, max(15, rounds))
    say(f"sums: {found.times.seconds}")
    async with measured_database() as server:
        books = await ledger(staff, rounds, server.superuser_dsn("baoqi"))
    return report(people, books, found, load, clock.today())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    written = asyncio.run(run(chosen.people, chosen.rounds))
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(written)
    say("\n" + written)


if __name__ == "__main__":
    main()
