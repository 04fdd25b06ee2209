"""Uploads on a real database: what starts, what comes back and why, and what the same file does twice."""

import asyncio
from collections import Counter
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select

from api import import_run, imports
from api.spreadsheets import reader
from cli.demo_university import create_demo
from runtime import clock
from runtime.settings import Settings
from schemas.base import Text
from schemas.process import ProcessStart
from store import database as db
from store import imports as store
from store import people
from store.tables.people import Hire, Person, User
from store.tables.processes import Process, ProcessStartRow
from store.users import Viewer
from tests.imports import files

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLERK = Viewer("clerk", Text(zh="经办人", en="Clerk"), frozenset({"clerk"}))
COLLEGE = Viewer("college", Text(zh="学院", en="College"), frozenset({"college"}), frozenset({"business"}))


async def upload(
    content: bytes, *, viewer: Viewer = CLERK, mode: Any = "good_rows"
) -> list[tuple[Any, dict[str, Any]]]:
    import_id, started = await import_run.run(viewer, "enrolment", "list.xlsx", content, mode)
    async with db.session() as session:
        loaded = await store.load_import(session, import_id)
    assert loaded is not None
    rows = [(row, store.row_body(row)) for row in loaded[2]]
    assert sorted(started) == sorted(r.process_id for r, _ in rows if r.outcome == "started" and r.process_id)
    return rows


def outcomes(rows: list[tuple[Any, dict[str, Any]]]) -> dict[str, int]:
    return dict(Counter(row.outcome for row, _ in rows))


async def count(table: Any) -> int:
    async with db.session() as session:
        return (await session.execute(select(func.count()).select_from(table))).scalar_one()


@pytest.fixture
async def university(database: Settings) -> Settings:
    async with db.session() as session:
        users = await create_demo(session)
    assert len(users) == 13
    async with db.session() as session:
        assert await create_demo(session) == users
    return database


async def test_sample_starts_nine_and_names_four(university: Settings) -> None:
    rows = await upload(files.SAMPLE.read_bytes())
    assert outcomes(rows) == {"started": 9, "refused": 3, "duplicate": 1}
    faults = {(body["name"], row.outcome): [(f["field"], f["code"]) for f in body["faults"]] for row, body in rows}
    assert faults[("Priya Sharma", "refused")] == [("id_expires", "R03")]
    assert faults[("Emily Clarke", "refused")] == [("permit_expires", "R03")]
    assert faults[("Pedro Silva", "refused")] == [("permit_issued", "missing")]
    assert faults[("Haruto Tanaka", "duplicate")] == [("id_number", "duplicate_in_file")]
    copy, original = rows[12][0], rows[0][0]
    assert copy.process_id == original.process_id
    assert [r["code"] for r in rows[2][1]["repairs"]] == ["blank_removed"]
    assert await count(Process) == await count(Hire) == await count(Person) == await count(ProcessStartRow) == 9

    async with db.session() as session:
        process = await session.get_one(Process, original.process_id)
        start = ProcessStart.model_validate((await session.get_one(ProcessStartRow, process.id)).start)
        employee = await session.get_one(User, "employee")
        assert process.id == f"enrolment-{process.case_no}" and process.org_unit == "business"
        assert process.title == "Haruto Tanaka" and process.started_by == "clerk"
        assert employee.person_id == process.subject == start.subject
        assert "Tanaka" not in start.model_dump_json() and "L57094207" not in start.model_dump_json()
        hire = await people.hire_of(session, process.id)
    assert hire.id_number == "L57094207" and hire.contract_start == date(2026, 9, 20)


async def test_the_same_upload_again_starts_nothing(university: Settings) -> None:
    first = await upload(files.SAMPLE.read_bytes())
    again = await upload(files.SAMPLE.read_bytes())
    assert outcomes(again) == {"duplicate": 10, "refused": 3}
    assert [r.process_id for r, _ in again] == [r.process_id for r, _ in first]
    assert "在办案件" in again[0][1]["faults"][0]["text"]["zh"]
    # The same list typed by hand, as .csv, is the same list.
    typed = files.csv_text(files.sample_rows()).encode("gbk")
    import_id, started = await import_run.run(CLERK, "enrolment", "b.csv", typed, "good_rows")
    assert import_id and started == [] and await count(Process) == 9


async def test_two_uploads_at_once_start_each_person_once(university: Settings) -> None:
    both = await asyncio.gather(upload(files.SAMPLE.read_bytes()), upload(files.SAMPLE.read_bytes()))
    assert sum(outcomes(rows).get("started", 0) for rows in both) == 9 and await count(Process) == 9


async def test_preview_starts_nothing(university: Settings) -> None:
    rows = await upload(files.SAMPLE.read_bytes(), mode="preview")
    assert outcomes(rows) == {"started": 9, "refused": 3, "duplicate": 1}
    assert all(row.process_id is None for row, _ in rows) and await count(Process) == await count(Person) == 0


async def test_a_changed_row_shows_the_difference_and_changes_nothing(university: Settings) -> None:
    first = await upload(files.SAMPLE.read_bytes())
    sheet = files.sample_rows()[:2]
    sheet[1][17], sheet[1][14] = 20000, "外籍专家"
    [(row, body)] = await upload(files.xlsx(sheet))
    assert (row.outcome, row.process_id) == ("changed", first[0][0].process_id)
    assert body["changes"] == [
        {"column": "岗位", "field": "post", "before": "外籍教师", "after": "外籍专家"},
        {"column": "月工资", "field": "monthly_wage", "before": "18000.00", "after": "20000.00"},
    ]
    async with db.session() as session:
        assert str((await people.hire_of(session, first[0][0].process_id)).monthly_wage) == "18000.00"

    # What the college corrected in the case does not make the list that was imported a change.
    async with db.session() as session:
        known = await people.hire_of(session, first[0][0].process_id)
        corrected = known.model_copy(update={"post": "讲师"})
        process = await session.get_one(Process, first[0][0].process_id)
        assert process.subject
        await people.save_hire(session, process.id, process.subject, corrected, source="correction", now=clock.now())
    [(row, _)] = await upload(files.xlsx(files.sample_rows()[:2]))
    assert row.outcome == "duplicate"


async def test_a_difference_is_said_in_words(university: Settings) -> None:
    rows = files.sample_rows()[:2]
    await upload(files.xlsx(rows))
    wanted = {
        ("性别", "sex"): ("男", "女", "male", "female"), ("国籍", "country"): ("日本", "法国", "Japan", "France"),
        ("所属学院", "org_unit"): ("商学院", "法学院", "Business School", "Law School"),
        ("聘用方式", "hire_kind"): ("直聘", "派遣", "local hire", "posted"),
        ("中文名", "name_zh"): ("（空）", "田中", "(empty)", "田中"),
    }  # fmt: skip
    rows[1][rows[0].index("国籍代码")] = None
    for (heading, _), (_, after, _, _) in wanted.items():
        rows[1][rows[0].index(heading)] = after
    [(_, body)] = await upload(files.xlsx(rows))
    said = {f["field"]: f["text"] for f in body["faults"]}
    for (_, name), (before, after, before_en, after_en) in wanted.items():
        assert f"“{before}”" in said[name]["zh"] and f"“{after}”" in said[name]["zh"], said
        assert f"“{before_en}”" in said[name]["en"] and f"“{after_en}”" in said[name]["en"], said


async def test_a_copy_in_the_file_that_differs_is_named(university: Settings) -> None:
    sheet = files.sample_rows()
    sheet[13][17] = 19000
    rows = await upload(files.xlsx(sheet))
    assert rows[12][0].outcome == "changed"
    assert rows[12][1]["changes"] == [
        {"column": "月工资", "field": "monthly_wage", "before": "18000.00", "after": "19000.00"}
    ]


async def test_a_copy_is_a_duplicate_and_no_change_however_it_is_spelled(university: Settings) -> None:
    heading, row = files.sample_rows()[:2]
    other = list(row)
    for title, cell in (("姓名(护照)", "TANAKA, Haruto"), ("邮箱", "Haruto.Tanaka@example.edu"), ("月工资", "1.8万"),
                        ("手机", "+86 149-0000-8874"), ("岗位", None), ("证件号码", "l57094207")):  # fmt: skip
        other[heading.index(title)] = cell
    rows = await upload(files.xlsx([heading, row, row, other]))
    assert [(r.outcome, b["changes"]) for r, b in rows] == [("started", []), ("duplicate", []), ("duplicate", [])]
    assert [f["code"] for f in rows[1][1]["faults"]] == ["duplicate_in_file"]
    spelled = rows[2][1]["faults"]
    assert [(f["field"], f["code"]) for f in spelled[1:]] == [
        ("name", "spelled_otherwise"), ("phone", "spelled_otherwise"), ("email", "spelled_otherwise"),
    ]  # fmt: skip
    assert all("TANAKA, Haruto" in spelled[1]["text"][lang] for lang in ("zh", "en"))
    again = await upload(files.xlsx([heading, other, row]))
    assert [(r.outcome, b["changes"]) for r, b in again] == [("duplicate", []), ("duplicate", [])]
    assert [f["code"] for f in again[0][1]["faults"]] == ["duplicate", *["spelled_otherwise"] * 3]
    assert await count(Process) == 1


async def test_a_number_under_another_name_is_named_and_starts_nothing(university: Settings) -> None:
    heading, row = files.sample_rows()[:2]
    column = row.index("Haruto Tanaka")
    other = [*row[:column], "Kenji Ito", *row[column + 1 :]]
    rows = await upload(files.xlsx([heading, row, other]))
    assert [r.outcome for r, _ in rows] == ["started", "changed"]
    assert [(f["field"], f["code"]) for f in rows[1][1]["faults"]] == [("name", "name_differs")]
    [(again, body)] = await upload(files.xlsx([heading, other]))
    assert (again.outcome, [f["code"] for f in body["faults"]]) == ("changed", ["name_differs"])
    async with db.session() as session:  # without a case that counts the person is still on record
        (await session.get_one(Process, str(rows[0][0].process_id))).state = "cancelled"
    [(refused, body)] = await upload(files.xlsx([heading, other]))
    assert (refused.outcome, [f["code"] for f in body["faults"]]) == ("refused", ["name_differs"])
    assert all(body["faults"][0]["text"][lang] for lang in ("zh", "en")) and await count(Process) == 1
    swapped = [*row[:column], "TANAKA, Haruto", *row[column + 1 :]]
    [(started, _)] = await upload(files.xlsx([heading, swapped]))
    assert started.outcome == "started", "order and case make no other name"


async def test_two_lists_in_one_file_start_together_and_come_back_as_two_sheets(university: Settings) -> None:
    header, *rows = files.sample_rows()
    content = files.xlsx([header, *rows[5:7], rows[0]], title="二", more={"一": [header, *rows[:2], rows[9]]})
    import_id, started = await import_run.run(CLERK, "enrolment", "list.xlsx", content, "good_rows")
    view = await imports.view(CLERK, import_id, "zh")
    assert len(started) == 3 and view.sheet == "一、二"
    assert [(r.sheet, r.row, r.outcome) for r in view.rows] == [
        ("一", 2, "started"), ("一", 3, "started"), ("一", 4, "refused"),
        ("二", 2, "refused"), ("二", 3, "started"), ("二", 4, "duplicate"),
    ]  # fmt: skip
    assert "工作表“一”第 2 行" in view.rows[5].faults[0].message
    back = reader.read(await imports.refused_file(CLERK, import_id, "zh"), "refused.xlsx")
    assert [(s.name, [r[0] for r in s.rows[1:]]) for s in back.sheets] == [
        ("一", ["Pedro Silva"]),
        ("二", ["Priya Sharma", "Haruto Tanaka"]),
    ]


async def test_a_cancelled_case_may_start_again_and_a_closed_one_not(university: Settings) -> None:
    one = files.xlsx(files.sample_rows()[:2])
    [(first, _)] = await upload(one)
    async with db.session() as session:
        process = await session.get_one(Process, first.process_id)
        process.state, process.closed_at = "cancelled", clock.now()
    [(second, _)] = await upload(one)
    assert second.outcome == "started" and second.process_id != first.process_id
    async with db.session() as session:
        process = await session.get_one(Process, second.process_id)
        process.state, process.closed_at = "closed", clock.now()
    [(third, body)] = await upload(one)
    assert (third.outcome, third.process_id) == ("duplicate", second.process_id)
    assert "办结" in body["faults"][0]["text"]["zh"]


async def test_a_college_starts_its_own_people_only(university: Settings) -> None:
    rows = await upload(files.SAMPLE.read_bytes(), viewer=COLLEGE)
    assert outcomes(rows) == {"started": 2, "refused": 10, "duplicate": 1}
    assert {f["code"] for row, body in rows if row.outcome == "refused" for f in body["faults"]} >= {
        "org_unit_not_yours"
    }


async def test_another_colleges_case_is_not_read_through_a_passport_number(university: Settings) -> None:
    await upload(files.SAMPLE.read_bytes())
    sheet = files.sample_rows()[:3]
    sheet[2][13], sheet[2][17] = "商学院", 101  # the person of 软件学院, guessed by number
    rows = await upload(files.xlsx(sheet), viewer=COLLEGE)
    assert (rows[1][0].outcome, rows[1][0].process_id, rows[1][1]["changes"]) == ("duplicate", None, [])
    assert "30000" not in str(rows[1][1]["faults"])
