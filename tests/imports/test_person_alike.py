"""One person with two passports: seen at the upload, decided by a clerk, never enrolled twice in silence."""

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from api import imports
from api.problems import BadForm, NotAllowed
from runtime import clock
from schemas.imports import ImportView, PersonDecision, RowDecisions
from store import database as db
from store import inbox_events, people
from store.tables.people import Hire, Person
from store.tables.processes import Process
from tests.imports import files
from tests.imports.test_api import app  # noqa: F401  # pyright: ignore[reportUnusedImport]
from tests.imports.test_uploads import CLERK, COLLEGE

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEADER, FIRST, SECOND = files.sample_rows()[:3]
COLUMNS = {str(heading): place for place, heading in enumerate(HEADER)}
NAME, BIRTH, NUMBER, PERMIT, UNTIL = (
    COLUMNS[h] for h in ("姓名(护照)", "出生日期", "证件号码", "工作许可证号", "证件有效期至")
)


def changed(row: list[Any], **values: Any) -> list[Any]:
    """The row with other values: name, birth, number, permit."""
    places = {"name": NAME, "birth": BIRTH, "number": NUMBER, "permit": PERMIT, "until": UNTIL}
    row = list(row)
    for key, value in values.items():
        row[places[key]] = value
    return row


RENEWED = changed(FIRST, number="TZ1234567", until="2036-01-31")


@pytest.fixture
def university(app: FastAPI) -> FastAPI:  # noqa: F811
    """The demo's people, on real servers."""
    return app


async def take(
    *rows: list[Any], viewer: Any = CLERK, mode: Any = "good_rows", decided: dict[int, PersonDecision] | None = None
) -> ImportView:
    return await imports.take(viewer, "list.xlsx", files.xlsx([HEADER, *rows]), mode, "zh", decided)


async def count(table: Any) -> int:
    async with db.session() as session:
        return (await session.execute(select(func.count()).select_from(table))).scalar_one()


def only(view: ImportView) -> Any:
    [row] = view.rows
    return row


@pytest.mark.parametrize(
    ("row", "ground"),
    [
        (RENEWED, "姓名、出生日期和国籍相同，工作许可证号相同"),
        (changed(RENEWED, permit="5100202600000001"), "姓名、出生日期和国籍相同"),
        (changed(RENEWED, permit="5100202600000001", name="TANAKA, haruto"), "姓名、出生日期和国籍相同"),
        (changed(RENEWED, name="Kenji Ito"), "工作许可证号相同"),
    ],
)
async def test_a_renewed_passport_starts_nothing_in_silence(university: FastAPI, row: list[Any], ground: str) -> None:
    first = only(await take(FIRST))
    for mode in ("preview", "good_rows"):
        view = await take(row, mode=mode)
        found = only(view)
        assert (found.outcome, found.process_id) == ("refused", first.process_id)
        [fault] = found.faults
        assert fault.code == "person_alike" and f"（{ground}，证件号码不同" in fault.message
        assert found.decisions == ["another_person", "same_person"] and view.can_start
    assert await count(Process) == await count(Person) == 1


@pytest.mark.parametrize(
    "row",
    [
        changed(RENEWED, permit="5100202600000001", birth="1987-09-07"),
        changed(RENEWED, permit="5100202600000001", name="Haruto Tanabe"),
    ],
)
async def test_another_person_starts_unasked(university: FastAPI, row: list[Any]) -> None:
    await take(FIRST)
    assert only(await take(row)).outcome == "started"


async def test_a_cancelled_case_hinders_nobody(university: FastAPI) -> None:
    first = only(await take(FIRST))
    async with db.session() as session:
        process = await session.get_one(Process, first.process_id)
        process.state, process.closed_at = "cancelled", clock.now()
    assert only(await take(RENEWED)).outcome == "started"


async def test_another_person_is_started_when_a_clerk_says_so_and_the_case_tells(university: FastAPI) -> None:
    first = only(await take(FIRST))
    view = await imports.start_preview(
        CLERK, (await take(RENEWED, SECOND)).id, "zh", imports.decisions(RowDecisions(another_person=[2]))
    )
    assert [r.outcome for r in view.rows] == ["started", "duplicate"]
    assert await count(Process) == await count(Person) == 3
    async with db.session() as session:
        [line] = await inbox_events.of_process(session, str(view.rows[0].process_id))
    assert line.kind == "another_person" and line.actor == "clerk"
    assert str(first.process_id).removeprefix("enrolment-") in line.text_zh


async def test_the_same_person_keeps_the_case_which_gets_the_new_document(university: FastAPI) -> None:
    first = only(await take(FIRST))
    wage = COLUMNS["月工资"]
    dearer = [*RENEWED[:wage], 19000, *RENEWED[wage + 1 :]]
    seen = await take(dearer, mode="preview")
    view = await imports.start_preview(CLERK, seen.id, "zh", {2: "same_person"})
    found = only(view)
    assert (found.outcome, found.process_id) == ("changed", first.process_id)
    assert [f.code for f in found.faults] == ["document_replaced", "changed"], "what else differs is not taken over"
    assert await count(Process) == await count(Person) == 1 and await count(Hire) == 2
    async with db.session() as session:
        hire = await people.hire_of(session, str(first.process_id))
        [line] = await inbox_events.of_process(session, str(first.process_id))
    assert (hire.id_number, hire.id_expires.isoformat(), hire.monthly_wage) == ("TZ1234567", "2036-01-31", 18000)
    assert line.kind == "document_replaced" and "TZ1234567" not in line.text_zh
    assert only(await take(RENEWED)).outcome == "duplicate", "the case is known by its new document"
    old = only(await take(FIRST))
    assert old.outcome == "refused" and old.faults[0].code == "person_alike", "and the old one is asked about"


@pytest.mark.parametrize(
    "change", [{"active_stages": ["social_bureau"]}, {"state": "closed", "closed_at": clock.now()}]
)
async def test_a_document_that_agencies_know_is_not_replaced(university: FastAPI, change: dict[str, Any]) -> None:
    first = only(await take(FIRST))
    async with db.session() as session:
        process = await session.get_one(Process, first.process_id)
        for name, value in change.items():
            setattr(process, name, value)
    found = only(await take(RENEWED))
    assert (found.outcome, found.decisions) == ("refused", ["another_person"])
    assert "信息变更" in found.faults[0].message
    insisted = only(await take(RENEWED, decided={2: "same_person"}))
    assert (insisted.outcome, [f.code for f in insisted.faults]) == ("refused", ["nothing_to_replace"])
    assert await count(Hire) == 1


async def test_a_document_of_somebody_else_is_not_given_to_the_case(university: FastAPI) -> None:
    await take(FIRST)
    other = only(await take(SECOND))
    async with db.session() as session:
        process = await session.get_one(Process, other.process_id)
        process.state, process.closed_at = "cancelled", clock.now()
    row = changed(FIRST, number=SECOND[NUMBER], name=SECOND[NAME])
    found = only(await take(row, decided={2: "same_person"}))
    assert (found.outcome, [f.code for f in found.faults]) == ("refused", ["number_taken"])


async def test_two_rows_of_one_file_are_told_apart_by_a_clerk(university: FastAPI) -> None:
    for mode in ("preview", "good_rows"):
        view = await take(FIRST, RENEWED, mode=mode)
        assert [r.outcome for r in view.rows] == ["started", "refused"]
        assert view.rows[1].faults[0].code == "person_alike_in_file" and "第 2 行" in view.rows[1].faults[0].message
        assert view.rows[1].decisions == ["another_person"]
        if mode == "preview":
            assert await count(Process) == 0
    again = await take(FIRST, RENEWED, decided={3: "another_person"})
    assert [r.outcome for r in again.rows] == ["duplicate", "started"]


async def test_a_college_asks_the_office_and_learns_no_case_of_another_college(university: FastAPI) -> None:
    law = COLUMNS["所属学院"]
    await take([*FIRST[:law], "法学院", *FIRST[law + 1 :]])
    view = await take(RENEWED, viewer=COLLEGE)
    found = only(view)
    assert (found.outcome, found.process_id, found.decisions) == ("refused", None, []) and not view.can_start
    assert "FE" not in found.faults[0].message and "社保经办人" in found.faults[0].message
    with pytest.raises(NotAllowed):
        await take(RENEWED, viewer=COLLEGE, decided={2: "another_person"})


async def test_one_row_is_decided_once() -> None:
    with pytest.raises(BadForm) as refusal:
        imports.decisions(RowDecisions(another_person=[2, 3], same_person=[3]))
    assert "3" in refusal.value.faults[0][2].zh
