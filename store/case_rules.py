"""The rules of one running case that its workflow does not carry: who is exempt by agreement, and which insurances.

A case keeps those of its version until it is told to take over newer ones. Invariants: the texts of a version are
stored when the first case begins by it or takes it over, and never change; a case whose version is not stored works by
the rules in force. Limits, rates and late fees are not here: they are the law of the premium's month, whenever the case
began.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain import policy, tables
from domain.contributions import expand
from domain.exemptions import TreatyTable
from runtime import clock
from schemas.deadlines import PolicySnapshot
from store import policies
from store.tables.policy import CaseRulesRow
from store.tables.processes import Process

FILES = (*policy.CASE_FILES, "agencies.yaml", "billing_lines.yaml", "deadlines.yaml")  # of which `parse` reads
MOST_PARSED = 64  # versions; an office has a handful
_parsed: dict[str, "CaseRules"] = {}


@dataclass(frozen=True)
class CaseRules:
    """`categories`: category -> (pension scheme, insurances, groups already replaced by their members). `handled`:
    agency -> the insurances that are registered there."""

    categories: Mapping[str, tuple[str, Sequence[str]]]
    treaties: TreatyTable
    handled: Mapping[str, Sequence[str]]

    def insurances(self, category: str, exempt: Sequence[str] | None = None) -> list[str]:
        """What is paid for a person of the category, without what is exempt."""
        return [i for i in self.categories[category][1] if i not in (exempt or ())]


def parse(texts: Mapping[str, str]) -> CaseRules:
    """The case rules of some texts. PolicyError when they are broken."""
    lines, groups = tables.billing_lines(texts)
    return CaseRules(
        categories={
            category: (scheme, expand(insurances, lines, groups))
            for category, (scheme, insurances) in tables.category_insurances(texts).items()
        },
        treaties=tables.treaty_table(texts),
        handled={a.id: a.insurances for a in policy.agency_policies(texts)},
    )


async def keep(session: AsyncSession, snapshot: PolicySnapshot) -> None:
    """Stores what belongs to the version in force, before a case works by it; once a version."""
    texts = policies.texts()
    values = {"version": snapshot.version, "texts": {n: texts[n] for n in FILES}, "kept_at": clock.now()}
    await session.execute(insert(CaseRulesRow).values(**values).on_conflict_do_nothing())


async def of_case(session: AsyncSession, process_id: str) -> CaseRules:
    """The rules that the case works by; those in force as long as it has no version."""
    version = await session.scalar(select(Process.policy_version).where(Process.id == process_id))
    return await of_version(session, version or "")


async def of_version(session: AsyncSession, version: str) -> CaseRules:
    """The rules of a version as a case names it. One that only took over a calendar year ("old+year") has those of the
    old version."""
    base = version.partition("+")[0]
    snapshot = policies.snapshot()
    if base in ("", snapshot.version):
        return _remembered(f"*{snapshot.version}", policies.texts())
    if base not in _parsed:
        texts = await session.scalar(select(CaseRulesRow.texts).where(CaseRulesRow.version == base))
        if texts is None:
            return _remembered(f"*{snapshot.version}", policies.texts())
        return _remembered(base, texts)
    return _parsed[base]


def _remembered(name: str, texts: Mapping[str, str]) -> CaseRules:
    if name not in _parsed:
        if len(_parsed) >= MOST_PARSED:
            _parsed.clear()
        _parsed[name] = parse(texts)
    return _parsed[name]
