"""Search by words: the index of pieces finds exactly what looking at each word finds."""

import importlib
import random
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, func, select, text, update

from runtime import clock
from schemas.api import ProcessQuery, TaskQuery
from store import cases, inbox, inbox_counts, people, words
from store.database import reading, session
from store.tables.people import Person, User
from store.tables.processes import Process, Task
from store.tables.words import CaseWords, TitleWords
from store.users import seen_as
from tests.api.conftest import Office, hire
from tests.api.test_tallies import MANY, rows_read

pytestmark = pytest.mark.asyncio(loop_scope="session")
NAMES = (
    ("Anna Muster", "穆安娜"),
    ("Boris Beispiel", "博乐思"),
    ("Li Wei", "李伟"),
    ("Li Weiguo", "李伟国"),
    ("Ann Li", None),
    ("O'Neil 100% _x", "欧阳_娜"),
    ("Vera Verify", "审核安"),  # words that stand in titles as well
)


async def _found(query: TaskQuery) -> set[str]:
    async with session() as s:
        said = await words.read(s, query.q)
        where = inbox.filters(query, clock.now(), said)
        return set(await s.scalars(select(Task.id).where(*where)))


async def test_words_find_what_looking_at_every_task_finds(office: Office) -> None:
    for n, (name, name_zh) in enumerate(NAMES):
        case = await office.case(id_number=f"X{n}9887{n}", name=name, name_zh=name_zh)
        await office.task(case, key=f"v/{n}")
    async with session() as s:
        known = {row.id: row.search for row in await s.execute(select(Task.id, Task.search))}
        wordings = [w for said in known.values() for w in said.split()]
    dice = random.Random(7)
    asked = [
        "李",
        "李伟",
        "wei",
        "w",
        "li wei",
        "审核",
        "审核 李伟",
        "verify",
        "%",
        "_",
        "'",
        "100%",
        "不存在",
        "zzzzz",
        "安 muster",
    ]
    for _ in range(150):
        word = dice.choice(wordings)
        start = dice.randrange(len(word))
        asked.append(word[start : start + dice.randint(1, 6)])
    hits = 0
    for q in asked:
        expected = {i for i, said in known.items() if all(w in said for w in q.lower().split())}
        assert await _found(TaskQuery(q=q)) == expected, q
        hits += bool(expected)
        async with session() as s:
            rows = list(await s.execute(select(Process.id, Process.search)))
            theirs = {i for i, said in rows if all(w in said for w in q.lower().split())}
            listed = await s.scalars(select(Process.id).where(*cases.filters(ProcessQuery(q=q), clock.now())))
            assert set(listed) == theirs, q
    assert hits > 100


async def test_a_new_name_is_found_and_the_old_one_no_more(office: Office) -> None:
    case = await office.case(id_number="X1234567", name="Old Name", name_zh="旧名字")
    async with session() as s:
        process = await s.get_one(Process, case)
        process.search = process.search.replace("旧名字", "新名字")
    async with session() as s:
        for q, there in (("旧名字", 0), ("新名字", 1)):
            where = words.of_process(q)
            assert await s.scalar(select(func.count()).select_from(Process).where(*where)) == there


async def test_finished_and_open_tasks_are_found_by_a_corrected_name(office: Office) -> None:
    case = await office.case(id_number="X1234568", name="Carmen Torres", name_zh=None)
    done, still_open = await office.task(case, key="m/1"), await office.task(case, key="v/1")
    async with session() as s:
        (await s.get_one(Task, done)).closed_at = clock.now()
    async with session() as s:
        person = (await s.get_one(Process, case)).subject
        assert person is not None
        corrected = hire(id_number="X1234568", name="Carmen Torres", name_zh="托雷斯")
        await people.save_hire(s, case, person, corrected, source="correction", now=clock.now())
    for q in ("托雷斯", "tuoleisi", "tls", "torres"):
        assert await _found(TaskQuery(view="all", q=q)) == {done, still_open}, q


async def test_a_latin_name_is_found_by_its_initials_new_and_from_before(office: Office) -> None:
    named = {
        "Felix Schulz": ("FS", None),
        "Javier Navarro": ("jn", "纳瓦罗"),
        "Élodie Marie-Anne Durand": ("EMAD", None),
    }
    task: dict[str, str] = {}
    for n, (name, (_, name_zh)) in enumerate(named.items()):
        case = await office.case(id_number=f"X55443{n}", name=name, name_zh=name_zh)
        task[name] = await office.task(case, key=f"v/{n}")
    said = {name: initials for name, (initials, _) in named.items()}
    for name, initials in said.items():
        assert await _found(TaskQuery(view="all", q=initials)) == {task[name]}, name
    async with session() as s:
        written = [list(await s.scalars(select(c).order_by(c))) for c in (Process.search, Task.search, Person.initials)]
        for initials in said.values():
            word = f" {initials.lower()}"
            await s.execute(update(Process).values(search=func.replace(Process.search, word, "")))
            await s.execute(update(Task).values(search=func.replace(Task.search, word, "")))
            await s.execute(update(Person).values(initials=""))
    for name, initials in said.items():
        assert await _found(TaskQuery(view="all", q=initials)) == set(), name
    migration = importlib.import_module("store.migrations.versions.0032_latin_initials")
    async with session() as s:
        await (await s.connection()).run_sync(_upgrade, migration)
        again = [list(await s.scalars(select(c).order_by(c))) for c in (Process.search, Task.search, Person.initials)]
    assert again == written
    for name, initials in said.items():
        assert await _found(TaskQuery(view="all", q=initials)) == {task[name]}, name


def _upgrade(connection: Connection, migration: Any) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        migration.upgrade()


async def test_titles_are_kept_once(office: Office) -> None:
    for n in range(3):
        await office.task(await office.case(id_number=f"Y123456{n}"), key=f"v/{n}")
    async with session() as s:
        titles = list(await s.scalars(select(TitleWords.words)))
        assert len(titles) == len(set(titles)) == 1
        assert await s.scalar(select(func.count()).select_from(CaseWords)) == 3


async def test_a_rare_name_is_looked_up_by_the_index(office: Office) -> None:
    """Without this the search is right and slow, which no small table shows."""
    await office.task(await office.case(id_number="Z1234567", name="Anna Muster", name_zh="穆安娜"))
    async with session() as s:
        await s.execute(text("SET LOCAL enable_seqscan = off"))
        statement = select(Process.id).where(*words.of_process("穆安"))
        plan = "\n".join(
            await s.scalars(
                text("EXPLAIN " + str(statement.compile(s.bind, compile_kwargs={"literal_binds": True})))  # pyright: ignore[reportArgumentType]
            )
        )
        assert "ix_case_words_grams" in plan, plan


async def test_a_word_of_a_title_is_looked_up_by_the_index(office: Office) -> None:
    """Nine thousand open tasks, one of which has the word in its title: it alone is read, by page and counts."""
    case = await office.case(id_number="Z7654321")
    async with session() as s:
        await s.execute(text(MANY), {"case": case})
        (await s.get_one(Process, case)).started_by = "system"  # else they are all the clerk's own
    await office.task(case, key="v/1")
    async with session() as s:
        await s.execute(text("ANALYZE"))
    async with reading() as s:
        for name, view in (("supervisor", "all"), ("clerk", "group")):
            viewer = await seen_as(s, await s.get_one(User, name))
            query, now = TaskQuery.model_validate({"view": view, "q": "审核 verif"}), clock.now()
            assert len((await inbox.page(s, viewer, query, now)).rows) == 1
            assert (await inbox_counts.counts(s, viewer, query, now))[0] == 1
            for work in (inbox.page(s, viewer, query, now), inbox_counts.counts(s, viewer, query, now)):
                assert await rows_read(s, work) < 20, name


async def test_a_rare_name_is_found_at_once_however_often_it_is_searched(office: Office) -> None:
    """After some searches PostgreSQL keeps one plan for all words, rare and common: it must suit the rare ones too."""
    case = await office.case(id_number="Z7654321")
    async with session() as s:
        await s.execute(text(MANY), {"case": case})
        await s.execute(text("UPDATE tasks SET process_id = process_id || id"))  # each of a case of its own
    rare = await office.case(id_number="Z7654322", name="Lan Xue", name_zh="贺兰雪")
    await office.task(rare, key="v/1")
    async with session() as s:
        await s.execute(text("ANALYZE"))
    read = text("SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'tasks'")
    async with reading() as s:
        viewer, query = await seen_as(s, await s.get_one(User, "supervisor")), TaskQuery(view="all", q="贺兰 雪")
        await s.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        before = (await s.execute(read)).scalar_one()
        assert [t.process_id for t, _ in (await inbox.page(s, viewer, query, clock.now())).rows] == [rare]
        assert (await inbox_counts.counts(s, viewer, query, clock.now()))[0] == 1
        assert (await s.execute(read)).scalar_one() - before < 20


async def test_a_word_of_a_title_and_of_a_name_is_looked_up_by_both_indexes(office: Office) -> None:
    """Nine thousand open tasks, one with the word in its title, one of somebody with that name: these two are read."""
    case = await office.case(id_number="Z7654321")
    async with session() as s:
        await s.execute(text(MANY), {"case": case})
        (await s.get_one(Process, case)).started_by = "system"
    await office.task(case, key="v/1")
    named = await office.case(id_number="Z7654322", name="Anna Muster", name_zh="审核安")
    await office.task(named, "registration.chase", key="chase/1", outcomes=["chased"])
    async with session() as s:
        for title in await s.scalars(select(TitleWords)):
            assert ("审核" in title.words) == ("审核" in title.title), "the second is found by its name alone"
        await s.execute(text("ANALYZE"))
    async with reading() as s:
        for name, view in (("supervisor", "all"), ("clerk", "group")):
            viewer = await seen_as(s, await s.get_one(User, name))
            query, now = TaskQuery.model_validate({"view": view, "q": "审核"}), clock.now()
            found = [task.process_id for task, _ in (await inbox.page(s, viewer, query, now)).rows]
            assert sorted(found) == sorted([case, named])
            for work in (inbox.page(s, viewer, query, now), inbox_counts.counts(s, viewer, query, now)):
                assert await rows_read(s, work) < 40, name


async def test_a_word_of_very_many_cases_is_looked_for_in_the_list(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        case = await office.case(id_number=f"Y123456{n}", name_zh=f"审核{'甲乙丙'[n]}")
        await office.task(case, key=f"v/{n}")
    assert len(await _found(TaskQuery(q="审核"))) == 3
    monkeypatch.setattr(words, "MOST", 2)
    async with session() as s:
        (word,) = (await words.read(s, "审核")).words
    assert word.cases is None and len(await _found(TaskQuery(q="审核"))) == 3
