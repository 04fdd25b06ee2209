"""Millions of tasks in a few minutes: people, cases and tasks of a large office, made by the database itself.

The shares are those of an office in the middle of a month: which kinds of tasks are open, whose they are, how many are
in hand, when they are due. Rows have the size of the product's own (specs and deadlines are made by its models), names
come with pinyin and initials, and a few names are common. The same seed gives the same rows. Triggers, keys and indexes
are off while rows come in and made afterwards; tallies are counted by the statements of the migration.
"""

import json
import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from cli.demo_people import ORG_UNITS
from domain.deadlines import compute
from schemas.base import Text
from schemas.forms import outcomes_of
from schemas.tasks import DocumentRequest, TaskSpec
from store import people, policies
from store.tables.counting import RECOUNT
from store.tables.words import FILL
from store.users import token_hash

SEED = 20261125
COLLEGES = 60
NAMES = 20_000
SHARE_HELD = 0.45
TASKS_PER_CASE = 1.25  # open ones: two bureaus work at once
OLD_TASKS_PER_CASE = 8
SESSION = "bench-session-{}"  # the cookie of a user, by login
ROLES = (("clerk", 45.0), ("supervisor", 4.0), ("head", 0.5), ("payroll", 4.0), ("finance", 4.0), ("auditor", 0.5))
SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
    "姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华建国文婷宇浩然子涵欣怡梓轩雨泽思源佳琪晨曦嘉诺一凡雪"
    "梅春燕海波志远立群永康安娜丹晓东旭阳俊鹏博乐天佑宏图振兴玉兰凤莲"
)


@dataclass(frozen=True)
class Kind:
    """A kind of task: its share of what is open, who does it, and the working days that it needs before its date."""

    name: str
    share: float
    roles: tuple[str, ...]
    title: Text
    days: int
    rank: int  # 0 statutory, 1 payment, 2 norm, 3 internal
    authority: str | None = None
    four_eyes: bool = False


KINDS = (
    Kind("enrolment.materials", 26, ("college",), Text(zh="收集参保材料", en="Collect the materials"), 8, 0),
    Kind("registration.correction", 6, ("college",), Text(zh="按退件意见更正", en="Correct after refusal"), 3, 0),
    Kind("enrolment.verification", 16, ("clerk",), Text(zh="审核参保材料", en="Verify the materials"), 3, 0),
    Kind(
        "registration.hand_in",
        11,
        ("clerk",),
        Text(zh="向社保局提交参保申请", en="Hand in at the social bureau"),
        1,
        0,
        "social_bureau",
    ),
    Kind(
        "registration.acceptance",
        6,
        ("clerk",),
        Text(zh="登记社保局受理结果", en="Record whether it was accepted"),
        1,
        2,
        "social_bureau",
    ),
    Kind(
        "registration.result",
        13,
        ("clerk",),
        Text(zh="登记医保局办理结果", en="Record the result"),
        1,
        2,
        "medical_bureau",
    ),
    Kind(
        "enrolment.partial_payment", 1, ("clerk",), Text(zh="是否先缴已办结一方", en="Pay the approved side now?"), 1, 1
    ),
    Kind("tax_payment.bill", 4, ("clerk",), Text(zh="登记应缴账单", en="Record the bill"), 3, 1, "tax_office"),
    Kind("tax_payment.confirm", 2, ("clerk",), Text(zh="确认缴费清单", en="Confirm the list"), 2, 1, "tax_office"),
    Kind("tax_payment.approval", 3, ("supervisor",), Text(zh="审批缴费", en="Approve the payment"), 2, 1, None, True),
    Kind("withholding.confirm", 4, ("payroll",), Text(zh="确认代扣", en="Confirm the withholding"), 2, 3),
    Kind("reimbursement.voucher", 3, ("clerk",), Text(zh="编制报账单", en="Prepare the voucher"), 4, 3),
    Kind(
        "reimbursement.approval", 2, ("supervisor",), Text(zh="审批报账单", en="Approve the voucher"), 3, 3, None, True
    ),
    Kind("reimbursement.settlement", 3, ("finance",), Text(zh="财务结算", en="Settle"), 2, 3, None, True),
)


def load(dsn: str, open_tasks: int, closed_tasks: int, users: int, today: date) -> None:
    """Fills an empty, migrated database. `today`: the Shanghai day around which the deadlines lie."""
    with psycopg.connect(dsn, autocommit=True) as link:
        _run(link, "SET synchronous_commit = off")
        _run(link, "SET maintenance_work_mem = '512MB'")
        _run(link, "SET max_parallel_workers_per_gather = 0")  # random() in one process: the same rows each time
        _run(link, f"SELECT setseed({SEED % 1000 / 1000})")
        _office(link, users, today)
        built = _bare(link)
        cases = round(open_tasks / TASKS_PER_CASE)
        old = max(0, round((closed_tasks - cases) / OLD_TASKS_PER_CASE))
        _cases(link, cases, old, today)
        _open_tasks(link, cases, open_tasks, today)
        _closed_tasks(link, cases, old, closed_tasks)
        for statement in built:
            _run(link, statement)
        for table in ("tasks", "processes"):
            _run(link, f"ALTER TABLE {table} ENABLE TRIGGER USER")
        for statement in (*RECOUNT, *FILL):
            _run(link, statement)
        _run(link, "VACUUM (ANALYZE)")


def _run(
    link: psycopg.Connection[Any] | psycopg.Cursor[Any], statement: str, values: Any = None
) -> psycopg.Cursor[Any]:
    return link.execute(statement.encode(), values)


def _office(link: psycopg.Connection[Any], users: int, today: date) -> None:
    """Colleges, users with sessions, names, and the kinds of tasks with specs and deadlines of their real size."""
    rng = random.Random(SEED)
    units = [u.id for u in ORG_UNITS if u.kind == "college"]
    units += [f"college_{n}" for n in range(len(units), COLLEGES)]
    zh = {u.id: (u.zh, u.en) for u in ORG_UNITS}
    with link.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO org_units (id, name_zh, name_en, kind) VALUES (%s, %s, %s, 'college')",
            [(u, *zh.get(u, (f"第{n}学院", f"College {n}"))) for n, u in enumerate(units)],
        )
        logins = _logins(users, units, rng)
        cursor.executemany(
            "INSERT INTO users (username, name_zh, name_en, password_hash, active, failures) VALUES (%s, %s, %s, '', "
            "true, 0)",
            [(name, _name(rng), name) for name, _, _ in logins],
        )
        cursor.executemany("INSERT INTO user_roles VALUES (%s, %s)", [(n, r) for n, r, _ in logins])
        cursor.executemany("INSERT INTO user_org_units VALUES (%s, %s)", [(n, u) for n, _, us in logins for u in us])
        cursor.executemany(
            "INSERT INTO sessions VALUES (%s, 'bench', %s, now(), now() + interval '2 days')",
            [(token_hash(SESSION.format(n)), n) for n, _, _ in logins],
        )
        names = sorted({_name(rng) for _ in range(NAMES)})
        _run(cursor, "CREATE TABLE bench_names (id int PRIMARY KEY, zh text, latin text, search text)")
        with cursor.copy("COPY bench_names FROM STDIN") as copy:
            for n, name in enumerate(rng.sample(names, len(names))):
                latin = people.pinyin_of(name).title()
                copy.write_row((n, name, latin, people.search_text(latin, name)))
        _run(
            cursor,
            "CREATE TABLE bench_kinds (id int, name text, lower float8, upper float8, roles text[], zh text, en text,"
            " words text, days int, rank int, authority text, four_eyes bool, spec jsonb, deadline jsonb)",
        )
        lower = 0.0
        for n, kind in enumerate(KINDS):
            upper = lower + kind.share / sum(k.share for k in KINDS)
            _run(cursor,
                "INSERT INTO bench_kinds VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    n, kind.name, lower, upper, list(kind.roles), kind.title.zh, kind.title.en,
                    f"{people.search_text(kind.title.zh)} {kind.title.en.lower()}",
                    kind.days, kind.rank, kind.authority,
                    kind.four_eyes, Jsonb(_spec(kind)), Jsonb(_deadline(kind, today)),
                ),
            )  # fmt: skip
            lower = upper


def _logins(users: int, units: list[str], rng: random.Random) -> list[tuple[str, str, list[str]]]:
    """(login, role, colleges): a few per cent for each office role, all others college officers."""
    found: list[tuple[str, str, list[str]]] = [("admin", "admin", [])]
    for role, percent in ROLES:
        found += [(f"{role}{n}", role, []) for n in range(max(2, round(users * percent / 100)))]
    for n in range(users - len(found)):
        found.append((f"college{n}", "college", rng.sample(units, 2) if n % 10 == 0 else [units[n % len(units)]]))
    return found


def _name(rng: random.Random) -> str:
    """A few surnames are common, as in life; two or three characters."""
    surname = SURNAMES[int(rng.random() ** 2.2 * len(SURNAMES))]
    return surname + "".join(rng.choice(GIVEN) for _ in range(1 if rng.random() < 0.2 else 2))


def _spec(kind: Kind) -> Any:
    outcomes = list(outcomes_of(kind.name))
    wanted = [
        DocumentRequest(code=f"M0{n}", title=Text(zh="证明材料", en="Document")) for n in range(len(kind.roles) * 3)
    ]
    spec = TaskSpec(
        key="", kind=kind.name, title=kind.title, roles=list(kind.roles), stage="", outcomes=outcomes, documents=wanted
    )
    return spec.model_dump(mode="json", exclude={"deadlines"})


def _deadline(kind: Kind, today: date) -> Any:
    snapshot = policies.snapshot()
    wanted = "DL-REG-FOR" if kind.rank == 0 else "INT-VOUCHER" if kind.rank == 3 else "DL-NORM-CHANGE"
    rule = next(r for r in snapshot.rules if r.id == wanted)
    made = compute(rule, today - timedelta(days=10), snapshot, remaining_steps=["verification"])
    legal = ("statutory", "payment", "norm", "internal")[kind.rank]
    return json.loads(made.model_dump_json()) | {"legal_kind": legal}


def _bare(link: psycopg.Connection[Any]) -> list[str]:
    """Takes indexes and triggers away; the statements that make the indexes again."""
    _run(link, "INSERT INTO task_groups (roles, org_unit) "
               "SELECT DISTINCT k.roles, u.id FROM bench_kinds k, org_units u "
                 "WHERE 'college' = ANY (k.roles) UNION SELECT DISTINCT k.roles, '' FROM bench_kinds k "
                 "WHERE NOT 'college' = ANY (k.roles)")  # fmt: skip
    for table in ("tasks", "processes"):
        _run(link, f"ALTER TABLE {table} DISABLE TRIGGER USER")
    tables = ["tasks", "processes", "persons"]
    constraints = _run(
        link,
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype IN "
        "('p', 'u', 'f') "
        "AND (conrelid::regclass::text = ANY (%(t)s) OR confrelid::regclass::text = ANY (%(t)s)) ORDER BY contype = "
        "'f'",
        {"t": tables},
    ).fetchall()
    for table, name, _ in reversed(constraints):
        _run(link, f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    indexes = _run(link, "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY (%s)", (tables,)).fetchall()
    for name, _ in indexes:
        _run(link, f"DROP INDEX {name}")
    made = [definition for _, definition in indexes]
    return [*made, *(f"ALTER TABLE {t} ADD CONSTRAINT {n} {what}" for t, n, what in constraints)]


def _cases(link: psycopg.Connection[Any], cases: int, old: int, today: date) -> None:
    """Persons and their cases: the first `cases` are open. Large colleges have more; names are common or rare."""
    units = _run(link, "SELECT array_agg(id ORDER BY id) FROM org_units").fetchall()[0][0]
    _run(
        link,
        "CREATE TABLE bench_cases AS SELECT n, n <= %(cases)s AS is_open, 'enrolment-FE' || n AS id, 'FE2026-' || n "
        "AS case_no, "
        "gen_random_uuid()::text AS person, (%(units)s::text[])[1 + floor(power(random(), 1.5) * %(count)s)::int] AS "
        "unit, "
        "floor(power(random(), 2) * (SELECT count(*) FROM bench_names))::int AS name, random() AS luck, "
        "NULL AS starter, "
        "%(today)s::date - floor(random() * CASE WHEN n <= %(cases)s THEN 40 ELSE 1000 END)::int AS started "
        "FROM generate_series(1, %(total)s) n",
        {"cases": cases, "units": units, "count": len(units), "today": today, "total": cases + old},
    )
    _run(link, "ANALYZE")
    _run(
        link,
        "INSERT INTO persons (id, name, name_zh, pinyin, initials, country, id_hash, permit_hash, who_hash, secrets, "
        "created_at, updated_at) SELECT c.person, b.latin, b.zh, lower(b.latin), '', 'CHN', 'bench' || c.n, "
        "'permit' || c.n, 'who' || c.n, '', now(), now() "
        "FROM bench_cases c JOIN bench_names b ON b.id = c.name",
    )
    _run(
        link,
        "CREATE TABLE bench_officers AS SELECT org_unit, array_agg(username) AS names FROM user_org_units GROUP BY 1",
    )
    _run(
        link,
        "UPDATE bench_cases c SET starter = o.names[1 + floor(random() * array_length(o.names, 1))::int] "
        "FROM bench_officers o WHERE o.org_unit = c.unit",
    )
    stages = [
        {"code": c, "title": {"zh": zh, "en": c}, "column": n, "state": "pending", "waits": []}
        for n, (c, zh) in enumerate(
            (
                ("materials", "材料收集"),
                ("verification", "审核"),
                ("social_bureau", "社保局登记"),
                ("notice", "通知归档"),
            )
        )
    ]
    _run(
        link,
        "INSERT INTO processes (id, kind, case_no, title, search, state, subject, org_unit, stages, active_stages, "
        "deadlines,"
        " waiting_on, revision, started_by, started_at, closed_at, flags, parameters, clock_offset_seconds, "
        "next_due_at,"
        " latest_start) SELECT c.id, 'enrolment', c.case_no, b.latin || '（' || b.zh || '）', lower(c.case_no) || ' ' "
        "|| b.search, "
        "CASE WHEN c.is_open THEN 'running' ELSE 'closed' END, c.person, c.unit, %(stages)s, '{materials}', '[]', "
        "CASE WHEN c.is_open AND c.luck < 0.3 THEN ARRAY[CASE WHEN c.luck < 0.17 THEN 'social_bureau' ELSE "
        "'medical_bureau' END]"
        " ELSE '{}' END, 1, c.starter, c.started::timestamptz, "
        "CASE WHEN NOT c.is_open THEN c.started + interval '60 days' END, '{}', '{}', 0, NULL, NULL "
        "FROM bench_cases c JOIN bench_names b ON b.id = c.name",
        {"stages": Jsonb(stages)},
    )


_COLUMNS = (
    "id, process_id, process_kind, case_no, key, kind, title_zh, title_en, search, roles, excluded, org_unit, "
    "subject, stage,"
    " authority, spec, deadlines, state, version, revision, opened_at, closed_at, outcome, completed_by, on_behalf, "
    "sort_day,"
    " legal_rank, sort_at, next_due_at, latest_start, holder, held_since, group_id, started_by"
)
_GROUP = """JOIN task_groups g ON g.roles = k.roles
  AND g.org_unit = CASE WHEN 'college' = ANY (k.roles) THEN c.unit ELSE '' END"""


def _open_tasks(link: psycopg.Connection[Any], cases: int, count: int, today: date) -> None:
    """2 % overdue, 4 % without a date, most due within a month; nearly half in somebody's hands."""
    _run(
        link,
        "CREATE TABLE bench_holders AS SELECT roles, org_unit, array_agg(username ORDER BY username) AS names FROM ("
        " SELECT g.roles, g.org_unit, r.username FROM task_groups g JOIN user_roles r ON r.role = ANY (g.roles)"
        " LEFT JOIN user_org_units u ON u.username = r.username WHERE g.org_unit = '' OR u.org_unit = g.org_unit) x "
        "GROUP BY 1, 2",
    )
    clerks = _run(link, "SELECT array_agg(username) FROM user_roles WHERE role = 'clerk'").fetchall()[0][0]
    _run(
        link,
        "CREATE TABLE bench_open AS SELECT n, 1 + (n - 1) %% %(cases)s AS case_n, random() AS pick, random() AS due, "
        "random() AS held, random() AS who, random() AS days, random() AS hour, random() AS eyes FROM "
        "generate_series(1, %(count)s) n",
        {"cases": cases, "count": count},
    )
    _run(link, "ANALYZE")
    _run(
        link,
        f"""
INSERT INTO tasks ({_COLUMNS})
SELECT c.id || '/' || split_part(k.name, '.', 2) || '/' || t.n, c.id, 'enrolment', c.case_no, split_part(k.name, '.',
  2) || '/' || t.n,
  k.name, k.zh, k.en, lower(c.case_no) || ' ' || b.search || ' ' || k.words, k.roles,
  CASE WHEN k.four_eyes THEN ARRAY[(%(clerks)s::text[])[1 + floor(t.eyes * %(many)s)::int]] ELSE '{{}}' END,
  c.unit, c.person, split_part(k.name, '.', 1), k.authority, k.spec,
  CASE WHEN d.due_at IS NULL THEN '[]' ELSE jsonb_build_array(k.deadline || jsonb_build_object('due', d.day,
    'due_at', d.due_at,
    'internal_due', d.day, 'latest_start', d.start)) END,
  'ready', 1, 1, now() - interval '5 days', NULL, NULL, NULL, false,
  coalesce((d.start AT TIME ZONE 'Asia/Shanghai')::date, '9999-12-30'), CASE WHEN d.start IS NULL THEN 4 ELSE k.rank
    END,
  coalesce(d.start, '9999-12-30 00:00+00'), d.due_at, d.start, h.holder, CASE WHEN h.holder IS NOT NULL THEN now()
    END, g.id, c.starter
FROM bench_open t
JOIN bench_cases c ON c.n = t.case_n
JOIN bench_names b ON b.id = c.name
JOIN bench_kinds k ON t.pick >= k.lower AND t.pick < k.upper
{_GROUP}
JOIN bench_holders p ON p.roles = g.roles AND p.org_unit = g.org_unit
CROSS JOIN LATERAL (SELECT CASE WHEN t.held < {SHARE_HELD}
  THEN p.names[1 + floor(power(t.who, 1.3) * array_length(p.names, 1))::int] END AS holder) h
CROSS JOIN LATERAL (SELECT CASE WHEN t.due < 0.02 THEN -1 - floor(t.days * 14)::int
  WHEN t.due < 0.80 THEN floor(power(t.days, 0.8) * 31)::int WHEN t.due < 0.96 THEN 31 + floor(t.days * 60)::int END
    AS ahead) a
CROSS JOIN LATERAL (SELECT %(today)s::date + a.ahead
  + CASE extract(isodow FROM %(today)s::date + a.ahead) WHEN 6 THEN 2 WHEN 7 THEN 1 ELSE 0 END AS day) w
CROSS JOIN LATERAL (SELECT w.day, (w.day + CASE WHEN t.hour < 0.8 THEN time '17:00' ELSE time '23:59:59' END)
  AT TIME ZONE 'Asia/Shanghai' AS due_at, (w.day - k.days + time '08:30') AT TIME ZONE 'Asia/Shanghai' AS start) d
""",
        {"clerks": clerks, "many": len(clerks), "today": today},
    )
    _run(
        link,
        "UPDATE processes p SET next_due_at = d.due, legal_due_at = d.due, latest_start = d.start FROM ("
        "SELECT process_id, "
        "min(next_due_at) AS due, "
        "min(latest_start) AS start FROM tasks GROUP BY 1) d WHERE d.process_id = p.id",
    )


def _closed_tasks(link: psycopg.Connection[Any], cases: int, old: int, count: int) -> None:
    """What open cases have behind them, and all of the closed cases."""
    _run(link, "ANALYZE")
    _run(
        link,
        f"""
INSERT INTO tasks ({_COLUMNS})
SELECT c.id || '/done/' || t.n, c.id, 'enrolment', c.case_no, 'done/' || t.n, k.name, k.zh, k.en,
  lower(c.case_no) || ' ' || b.search || ' ' || k.words, k.roles, '{{}}', c.unit, c.person, split_part(k.name, '.',
    1), k.authority,
  k.spec, '[]', 'completed', 1, 2, c.started::timestamptz, c.started + t.age * interval '60 days', 'submit',
  p.names[1 + floor(t.who * array_length(p.names, 1))::int], false, '9999-12-30', 4, '9999-12-30 00:00+00', NULL,
    NULL, NULL, NULL, g.id, c.starter
FROM (SELECT n, CASE WHEN n <= %(cases)s OR %(old)s = 0 THEN 1 + (n - 1) %% %(cases)s ELSE %(cases)s + 1 + n %%
  %(old)s END AS case_n,
  random() AS pick, random() AS who, random() AS age FROM generate_series(1, %(count)s) n OFFSET 0) t
JOIN bench_cases c ON c.n = t.case_n
JOIN bench_names b ON b.id = c.name
JOIN bench_kinds k ON t.pick >= k.lower AND t.pick < k.upper
{_GROUP}
JOIN bench_holders p ON p.roles = g.roles AND p.org_unit = g.org_unit
""",
        {"cases": cases, "old": old, "count": count},
    )
