"""Persons, the records of their hires, org units and watch dates.

Invariants: one person per document number (keyed hash); one valid hire record per case, every earlier version kept; the
clear record leaves this module only as `ForeignHire`.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from pypinyin import Style, lazy_pinyin
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.names_alike import names_alike
from schemas.base import Text
from schemas.enrolment import ForeignHire
from schemas.process import ProcessState
from store import alike
from store.sealed import number_hash, seal, unseal
from store.tables.people import Hire, OrgUnit, Person, User, WatchDate
from store.tables.processes import Process, Task

NEW_DOCUMENT = "document/"  # source of a record with another document, which a clerk said is the same person's
ENDED = (ProcessState.CLOSED.value, ProcessState.CANCELLED.value)


class UnknownHire(LookupError):
    """A case has no hire record."""


class NumberTaken(ValueError):
    """The document number belongs to another person on record."""


def pinyin_of(name: str, style: Style = Style.NORMAL) -> str:
    """Pinyin (or initials) for search and order; Latin letters stay."""
    return "".join(lazy_pinyin(name, style=style)).lower().replace(" ", "")


def latin_initials(name: str) -> str:
    """fs of Felix Schulz, ed of Élodie Durand; nothing of one word, or of what has other letters than Latin ones."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.lower()) if not unicodedata.combining(c))
    words = [word for word in re.split(r"[\s\-·.]+", plain) if word[:1].isalpha()]
    return "".join(word[0] for word in words) if plain.isascii() and len(words) > 1 else ""


def initials_of(name: str, name_zh: str | None) -> str:
    """The initials by which a person is looked for: of the Chinese name's pinyin, and of the passport's name."""
    return " ".join(filter(None, (pinyin_of(name_zh or name, Style.FIRST_LETTER), latin_initials(name))))


def search_text(*parts: str | None) -> str:
    """What a search box looks into: the words, their pinyin and initials, lower case."""
    words = [p for p in parts if p]
    found: list[str] = []
    for word in words:
        for form in (word.lower(), pinyin_of(word), pinyin_of(word, Style.FIRST_LETTER), latin_initials(word)):
            if form and form not in found:
                found.append(form)
    return " ".join(found)


def display_name(person: Person) -> str:
    """Anna Muster（穆安娜）, or the passport's name alone."""
    return shown_name(person.name, person.name_zh)


def shown_name(name: str, name_zh: str | None) -> str:
    return f"{name}（{name_zh}）" if name_zh else name


async def find_person(session: AsyncSession, id_number: str) -> Person | None:
    """By document number, however it was typed."""
    return await session.scalar(select(Person).where(Person.id_hash == number_hash(id_number)))


async def named_otherwise(session: AsyncSession, hire: ForeignHire) -> bool:
    """Whether the hire's document number is on record under a name that is not the hire's."""
    person = await find_person(session, hire.id_number)
    return person is not None and not names_alike(person.name, hire.name)


async def get_person(session: AsyncSession, person_id: str) -> Person | None:
    return await session.get(Person, person_id)


async def names_of(session: AsyncSession, person_ids: Sequence[str]) -> dict[str, str]:
    """Display names by id."""
    if not person_ids:
        return {}
    rows = await session.scalars(select(Person).where(Person.id.in_(set(person_ids))))
    return {p.id: display_name(p) for p in rows}


async def save_person(session: AsyncSession, hire: ForeignHire, person_id: str, now: datetime) -> Person:
    """Inserts the person, or finds the one who has this document number; then brings names and secrets up to date.

    `person_id` is the id for a new person. A login waiting for this number (`users.person_id_hash`) is linked.
    """
    values = _person_values(hire, now)
    statement = insert(Person).values(id=person_id, created_at=now, **values)
    statement = statement.on_conflict_do_update(index_elements=["id_hash"], set_=values).returning(Person.id)
    found = (await session.execute(statement)).scalar_one()
    await session.execute(
        update(User).where(User.person_id_hash == values["id_hash"], User.person_id.is_(None)).values(person_id=found)
    )
    return await session.get_one(Person, found, populate_existing=True)


def vital(person: Person) -> tuple[str, date]:
    """Sex (male, female) and day of birth."""
    secrets = unseal(person.secrets)
    return str(secrets["sex"]), date.fromisoformat(secrets["birth"])


def _person_values(hire: ForeignHire, now: datetime) -> dict[str, Any]:
    secrets = hire.model_dump(
        mode="json", include={"birth", "sex", "id_type", "id_number", "work_permit_no", "phone", "email"}
    )
    return {
        "name": hire.name,
        "name_zh": hire.name_zh,
        "pinyin": pinyin_of(hire.name_zh or hire.name),
        "initials": initials_of(hire.name, hire.name_zh),
        "country": hire.country,
        "id_hash": number_hash(hire.id_number),
        **alike.hashes_of(hire),
        "secrets": seal(secrets),
        "updated_at": now,
    }


async def open_case(session: AsyncSession, person_id: str, kind: str = "enrolment") -> Process | None:
    """The person's case of this kind that has not ended, if any."""
    return await session.scalar(
        select(Process)
        .where(Process.subject == person_id, Process.kind == kind, Process.state.not_in(ENDED))
        .order_by(Process.started_at.desc())
        .limit(1)
    )


async def hire_row(session: AsyncSession, process_id: str) -> Hire:
    """The valid record of a case. UnknownHire when there is none."""
    row = await session.scalar(select(Hire).where(Hire.process_id == process_id, Hire.valid))
    if row is None:
        raise UnknownHire(process_id)
    return row


async def hire_of(session: AsyncSession, process_id: str) -> ForeignHire:
    """The valid record of a case in clear values. UnknownHire when there is none."""
    return clear(await hire_row(session, process_id))


async def replaced_numbers(session: AsyncSession, process_id: str) -> set[str]:
    """Document numbers of a case in whose place a clerk has put another: no form of before may bring them back."""
    rows = await session.scalars(select(Hire).where(Hire.process_id == process_id).order_by(Hire.version))
    before, replaced = set[str](), set[str]()
    for row in rows:
        number = clear(row).id_number
        if row.source.startswith(NEW_DOCUMENT):
            replaced = (replaced | before) - {number}
        before.add(number)
    return replaced


def clear(row: Hire) -> ForeignHire:
    """The record in clear values."""
    return ForeignHire.model_validate(unseal(row.record))


async def save_hire(
    session: AsyncSession, process_id: str, person_id: str, hire: ForeignHire, *, source: str, now: datetime
) -> Hire:
    """Makes `hire` the valid record of the case. The same values again, or the same source again, change nothing.

    NumberTaken when the document number was changed to one that another person has.
    """
    known = await session.scalar(
        select(Hire).where(Hire.process_id == process_id, Hire.valid).with_for_update()
    )  # fmt: skip
    clean = ForeignHire.model_validate(hire.model_dump(include=set(ForeignHire.model_fields)))
    if known is not None and (known.source == source or unseal(known.record) == clean.model_dump(mode="json")):
        return known
    other = await find_person(session, clean.id_number)
    if other is not None and other.id != person_id:
        raise NumberTaken(person_id)
    person = await session.get(Person, person_id)
    if person is not None:
        for name, value in _person_values(clean, now).items():
            setattr(person, name, value)
        await _rename(session, process_id, person)
    if known is not None:
        known.valid = False
        await session.flush()  # the index allows one valid row
    row = Hire(
        process_id=process_id,
        person_id=person_id,
        version=known.version + 1 if known else 1,
        valid=True,
        insurances=known.insurances if known else None,
        exempt=known.exempt if known else None,
        category=known.category if known else "FOREIGN_WORK_PERMIT",
        source=source,
        created_at=now,
        **_hire_values(clean),
    )
    session.add(row)
    await session.flush()
    for kind in ("permit_expires", "residence_expires", "id_expires"):
        await watch(session, person_id, process_id, kind, getattr(clean, kind))
    return row


def _hire_values(clean: ForeignHire) -> dict[str, Any]:
    values = clean.model_dump(mode="json")
    return {
        **clean.model_dump(
            include={"org_unit", "country", "permit_issued", "permit_expires", "contract_start", "contract_end"}
        ),
        "hire_kind": clean.hire_kind.value,
        "certificate": clean.certificate.value,
        "record": seal(values),
        "row_hash": number_hash(repr(sorted(values.items()))),
    }


def rows_of(
    hire: ForeignHire, person_id: str, process_id: str, *, source: str, now: datetime, **more: Any
) -> tuple[Person, Hire]:
    """Somebody new and the first record of the case, as rows that are not written yet: for many at once. Nothing is
    asked and nothing watched; `more` are further columns of the record."""
    person = Person(id=person_id, created_at=now, **_person_values(hire, now))
    return person, Hire(
        process_id=process_id, person_id=person_id, version=1, valid=True, source=source, created_at=now,
        **_hire_values(hire), **more,
    )  # fmt: skip


async def _rename(session: AsyncSession, process_id: str, person: Person) -> None:
    """The case and all its tasks, finished ones as well, are found by the new name."""
    process = await session.get(Process, process_id)
    if process is None:
        return
    old, new = process.search, search_text(process.case_no, person.name, person.name_zh)
    process.title, process.search = display_name(person), new
    if old == new:
        return
    await session.flush()  # the case first, as every transition locks it
    renamed = func.concat(new, func.substr(Task.search, len(old) + 1))
    await session.execute(
        update(Task)
        .where(Task.process_id == process_id, Task.search.startswith(f"{old} ", autoescape=True))
        .values(search=renamed)
        .execution_options(synchronize_session=False)
    )


async def watch(
    session: AsyncSession, person_id: str, process_id: str | None, kind: str, on: date, **data: Any
) -> None:
    """Remembers a date of a person; the same kind of the same case again moves it."""
    statement = insert(WatchDate).values(person_id=person_id, process_id=process_id, kind=kind, on=on, data=data)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["person_id", "kind", "process_id"], set_={"on": on, "data": data}
        )
    )


async def org_units(session: AsyncSession) -> dict[str, Text]:
    """Names of all org units by id."""
    rows = await session.scalars(select(OrgUnit).order_by(OrgUnit.id))
    return {u.id: Text(zh=u.name_zh, en=u.name_en) for u in rows}


async def next_case_no(session: AsyncSession, year: int, prefix: str = "FE") -> str:
    """FE2026-0001 and so on; a number is never given twice, gaps are possible."""
    number = (await session.execute(select(func.nextval("case_numbers")))).scalar_one()
    return f"{prefix}{year}-{number:04d}"
