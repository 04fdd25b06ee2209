"""The allowed values that a schema cannot carry: reasons of refusal, insurances, colleges, countries.

Invariants: values and their words come from the policy data and the tables, never from this file.
"""

import csv
import io
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.policy import load_list, load_mapping
from schemas.forms import kind_titles
from store import policies as rules
from store.tables.people import OrgUnit, User, UserRole
from web.forms import Choice, Choices
from web.language import pick, translate


def countries(lang: str) -> list[Choice]:
    """Foreign countries by ISO alpha-3, in the order of the data."""
    return _countries(lang, rules.text("countries.csv"))


@lru_cache(maxsize=4)
def _countries(lang: str, text: str) -> list[Choice]:
    rows = csv.DictReader(io.StringIO(text))
    return [Choice(r["alpha3"], f"{r[lang]} {r['alpha3']}") for r in rows if r.get("foreign", "true") == "true"]


def insurances(lang: str) -> list[Choice]:
    """The insurances that are billed to foreign staff."""
    return _insurances(lang, rules.text("billing_lines.yaml"))


@lru_cache(maxsize=4)
def _insurances(lang: str, text: str) -> list[Choice]:
    lines = load_list({"billing_lines.yaml": text}, "billing_lines.yaml", "lines")
    return [Choice(str(i["insurance"]), str(i["title"][lang])) for i in lines]


def document_titles(lang: str) -> dict[str, str]:
    """Titles of the papers of the checklists, by code."""
    return _document_titles(lang, rules.text("materials.yaml"))


@lru_cache(maxsize=4)
def _document_titles(lang: str, text: str) -> dict[str, str]:
    papers = load_mapping({"materials.yaml": text}, "materials.yaml")["documents"]
    return {str(code): str(paper[lang]) for code, paper in papers.items()}


def reasons(lang: str) -> list[Choice]:
    """Codes of refusal and defect with their sentences."""
    return [Choice(code, f"{code} {getattr(text, lang)}") for code, text in rules.reasons().items()]


async def units(session: AsyncSession, lang: str) -> list[Choice]:
    """The colleges, in the order of their names."""
    rows = await session.scalars(select(OrgUnit).where(OrgUnit.kind == "college").order_by(OrgUnit.id))
    return [Choice(u.id, u.name_zh if lang == "zh" else u.name_en) for u in rows]


async def colleagues(session: AsyncSession, lang: str) -> list[Choice]:
    """Everybody with a login of the office or a college, for fields that name a colleague."""
    rows = await session.scalars(
        select(User).where(User.active, User.roles.any(UserRole.role != "employee")).order_by(User.username)
    )
    return [Choice(u.username, u.name_zh if lang == "zh" else u.name_en) for u in rows]


def task_kinds(lang: str, occurring: Collection[str]) -> list[Choice]:
    """The kinds of tasks that occur, with their words, process by process."""
    return [Choice(kind, pick(lang, title)) for kind, title in sorted(kind_titles().items()) if kind in occurring]


def on_bill(lang: str, context: Mapping[str, Any]) -> list[Choice]:
    """The people of a task's bill; who is not visible at the tax office comes first."""
    people = cast("list[Mapping[str, Any]]", context.get("people") or [])
    return [
        Choice(str(p["person_id"]), f"{p['person_name']} {p['number'] or translate(lang, 'no_number')}") for p in people
    ]


async def for_forms(session: AsyncSession, lang: str) -> Choices:
    """Everything a form may offer, by field or widget name."""
    return {
        "reason": reasons(lang),
        "exempt": insurances(lang),
        "insurances": insurances(lang),
        "country": countries(lang),
        "org_unit": await units(session, lang),
        "id_type": [Choice("PASSPORT", translate(lang, "choice_id_type_PASSPORT"))],
    }
