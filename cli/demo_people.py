"""The demo university's invented people: colleges, users, and foreign hires with dates around a given day.

Pure data and a seeded generator: the same seed gives the same people for ever; no clock, no database. Nobody here
exists: numbers have the shape of real ones and belong to no one (telephone prefixes not given out, example.edu mail).
"""

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import xlsxwriter

DEMO_PASSWORD = "baoqi-demo"  # noqa: S105 - printed for everybody, of demo logins only
DEMO_SEED = 20261001
EMPLOYEE_PASSPORT = "L57094207"  # Haruto Tanaka, the first row of samples/foreign_hires_2026-10.xlsx


@dataclass(frozen=True)
class OrgUnit:
    id: str
    zh: str
    en: str
    kind: str = "college"  # college | office


ORG_UNITS = (
    OrgUnit("business", "商学院", "Business School"),
    OrgUnit("foreign_languages", "外国语学院", "College of Foreign Languages"),
    OrgUnit("economics", "经济学院", "School of Economics"),
    OrgUnit("law", "法学院", "Law School"),
    OrgUnit("literature", "文学与新闻学院", "College of Literature and Journalism"),
    OrgUnit("public_administration", "公共管理学院", "School of Public Administration"),
    OrgUnit("marxism", "马克思主义学院", "School of Marxism"),
    OrgUnit("sports", "体育学院", "College of Physical Education"),
    OrgUnit("mathematics", "数学学院", "School of Mathematics"),
    OrgUnit("physics", "物理学院", "College of Physics"),
    OrgUnit("chemistry", "化学学院", "College of Chemistry"),
    OrgUnit("life_sciences", "生命科学学院", "College of Life Sciences"),
    OrgUnit("computer_science", "计算机学院", "College of Computer Science"),
    OrgUnit("software", "软件学院", "College of Software Engineering"),
    OrgUnit("electrical_engineering", "电气工程学院", "College of Electrical Engineering"),
    OrgUnit("mechanical_engineering", "机械工程学院", "School of Mechanical Engineering"),
    OrgUnit("architecture", "建筑与环境学院", "College of Architecture and Environment"),
    OrgUnit("materials", "材料科学与工程学院", "College of Materials Science"),
    OrgUnit("history", "历史文化学院", "School of History and Culture"),
    OrgUnit("arts", "艺术学院", "College of Arts"),
    OrgUnit("international", "国际教育学院", "College of International Education"),
    OrgUnit("hr", "人事处", "Human Resources Office", "office"),
    OrgUnit("finance_office", "财务处", "Finance Office", "office"),
    OrgUnit("library", "图书馆", "Library", "office"),
    OrgUnit("logistics", "后勤集团", "Logistics Group", "office"),
)
FIRST_COLLEGES = ("business", "foreign_languages")


@dataclass(frozen=True)
class DemoUser:
    username: str
    zh: str
    en: str
    roles: tuple[str, ...]
    org_units: tuple[str, ...] = ()


_SURNAMES = (
    "王 Wang",
    "李 Li",
    "张 Zhang",
    "刘 Liu",
    "陈 Chen",
    "杨 Yang",
    "赵 Zhao",
    "周 Zhou",
    "吴 Wu",
    "徐 Xu",
    "孙 Sun",
    "胡 Hu",
    "郭 Guo",
    "何 He",
)
_GIVEN = (
    "敏 Min",
    "静 Jing",
    "建国 Jianguo",
    "志强 Zhiqiang",
    "芳 Fang",
    "磊 Lei",
    "慧 Hui",
    "涛 Tao",
    "洁 Jie",
    "丽 Li",
    "文博 Wenbo",
    "晓燕 Xiaoyan",
    "思远 Siyuan",
    "雨桐 Yutong",
)
_USERS = (
    ("clerk", ("clerk",), ()),
    ("clerk2", ("clerk",), ()),
    ("supervisor", ("supervisor",), ()),
    ("head", ("head",), ()),
    ("payroll", ("payroll",), ()),
    ("finance", ("finance",), ()),
    ("auditor", ("auditor",), ()),
    ("policy", ("policy",), ()),
    ("policy2", ("policy",), ()),
    ("college", ("college",), FIRST_COLLEGES),
    ("college2", ("college",), tuple(u.id for u in ORG_UNITS if u.id not in FIRST_COLLEGES)),
)


def demo_users(seed: int = DEMO_SEED) -> list[DemoUser]:
    """The thirteen users of the demo university, the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - the same people for the same seed, nothing secret
    surnames, given = rng.sample(_SURNAMES, len(_USERS)), rng.sample(_GIVEN, len(_USERS))
    users: list[DemoUser] = []
    for (name, roles, units), surname, first in zip(_USERS, surnames, given, strict=True):
        (surname_zh, surname_en), (first_zh, first_en) = surname.split(), first.split()
        users.append(DemoUser(name, surname_zh + first_zh, f"{first_en} {surname_en}", roles, units))
    users.append(DemoUser("admin", "系统管理员", "System administrator", ("admin",)))
    users.append(DemoUser("employee", "田中 Haruto Tanaka", "Haruto Tanaka", ("employee",)))
    return users


HEADINGS = (
    "姓名(护照)",
    "中文名",
    "性别",
    "国籍代码",
    "国籍",
    "出生日期",
    "证件类型",
    "证件号码",
    "证件有效期至",
    "工作许可证号",
    "工作许可签发日期",
    "工作许可有效期至",
    "居留许可有效期至",
    "所属学院",
    "岗位",
    "合同开始日期",
    "合同结束日期",
    "月工资",
    "手机",
    "邮箱",
    "聘用方式",
    "协议国参保证明",
)
# Country, its Chinese name, given names (male, female), surnames.
_NATIONS: tuple[tuple[str, str, str, str, str], ...] = (
    ("JPN", "日本", "Kenji Takumi Ren Daiki", "Aoi Yui Sakura Hina", "Sato Suzuki Watanabe Yamamoto Kobayashi"),
    ("KOR", "韩国", "Junho Seojun Dohyun Jiho", "Jiwoo Seoyeon Minji Hayoon", "Park Choi Jung Kang Yoon"),
    ("DEU", "德国", "Lukas Jonas Felix Max", "Anna Lena Johanna Clara", "Becker Hoffmann Schulz Wagner Keller"),
    ("FRA", "法国", "Louis Hugo Jules Antoine", "Camille Manon Juliette Elise", "Martin Bernard Laurent Moreau Girard"),
    ("CAN", "加拿大", "Liam Ethan Lucas Owen", "Emma Chloe Sophie Maya", "Gagnon Roy Campbell Fraser Bouchard"),
    ("USA", "美国", "Michael Daniel Andrew Jacob", "Emily Grace Hannah Rachel", "Johnson Miller Davis Anderson Harris"),
    (
        "GBR",
        "英国",
        "Oliver George Harry Thomas",
        "Charlotte Alice Lucy Eleanor",
        "Taylor Wright Hughes Bennett Cooper",
    ),
    (
        "ESP",
        "西班牙",
        "Carlos Javier Diego Alvaro",
        "Elena Carmen Marta Paula",
        "Fernandez Lopez Romero Navarro Torres",
    ),
    (
        "SRB",
        "塞尔维亚",
        "Nikola Stefan Luka Marko",
        "Jelena Milica Ana Teodora",
        "Petrovic Nikolic Ilic Markovic Savic",
    ),
    ("BRA", "巴西", "Rafael Lucas Thiago Bruno", "Beatriz Larissa Camila Julia", "Souza Oliveira Costa Almeida Rocha"),
    ("AUS", "澳大利亚", "Jack William Noah Cooper", "Ruby Isla Matilda Zoe", "Wilson Kelly Murray Walsh Burke"),
    ("IND", "印度", "Arjun Rahul Vikram Rohan", "Ananya Kavya Meera Divya", "Patel Gupta Iyer Mehta Nair"),
    ("EGY", "埃及", "Ahmed Karim Youssef Tarek", "Mariam Nour Salma Laila", "Ibrahim Mahmoud Farouk Saleh Mansour"),
    ("RUS", "俄罗斯", "Ivan Dmitri Alexei Pavel", "Olga Natalia Irina Daria", "Ivanov Smirnov Volkov Morozov Orlov"),
)
_WAGES = (18000, 22000, 26000, 30000)

FAULT_EXPIRED_PASSPORT = "expired_passport"
FAULT_PERMIT_ENDS = "permit_ends_before_contract"
FAULT_NO_PERMIT_DATE = "permit_date_missing"
FAULT_DUPLICATE = "duplicate"


def demo_hires(rows: int, today: date, seed: int) -> list[dict[str, Any]]:
    """Foreign hires as they would come in a college's list of that day: heading -> cell.

    From six rows on the list holds faults as real lists do: a blank in a passport number (repaired on reading), an
    expired passport, a permit that ends before the contract starts, a missing permit date, and at the end the second
    copy of the first person. `rows` counts all of them.
    """
    if rows < 1:
        raise ValueError("rows must be at least 1")
    rng = random.Random(seed)  # noqa: S311 - the same people for the same seed, nothing secret
    people = [demo_hire(rng, today) for _ in range(rows if rows < 6 else rows - 1)]
    if rows < 6:
        return people
    people[1]["证件号码"] = people[1]["证件号码"][:4] + " " + people[1]["证件号码"][4:]
    people[2]["证件有效期至"] = people[2]["合同开始日期"] - timedelta(days=12)
    people[3]["工作许可有效期至"] = people[3]["合同开始日期"] - timedelta(days=1)
    people[3]["工作许可签发日期"] = people[3]["合同开始日期"] - timedelta(days=4)
    people[4]["工作许可签发日期"] = None
    return [*people, dict(people[0])]


def demo_hire(rng: random.Random, today: date) -> dict[str, Any]:
    code, country, men, women, surnames = rng.choice(_NATIONS)
    male = rng.random() < 0.5
    given, surname = rng.choice((men if male else women).split()), rng.choice(surnames.split())
    issued = today - timedelta(days=rng.randint(0, 10))
    start = issued + timedelta(days=rng.randint(0, 8))
    permit_ends = _same_day(issued, 1)
    college = rng.choice([u for u in ORG_UNITS if u.kind == "college"])
    birth = date(today.year - rng.randint(28, 54), rng.randint(1, 12), rng.randint(1, 28))
    posted = rng.random() < 0.1
    return {
        "姓名(护照)": f"{given} {surname}",
        "中文名": None,
        "性别": "男" if male else "女",
        "国籍代码": code,
        "国籍": country,
        "出生日期": birth,
        "证件类型": "护照",
        "证件号码": rng.choice("EGLPX") + f"{rng.randint(10_000_000, 99_999_999)}",
        "证件有效期至": start + timedelta(days=rng.randint(1200, 2400)),
        "工作许可证号": f"51002{today.year % 10000:04d}{rng.randint(1_000_000, 9_999_999)}",
        "工作许可签发日期": issued,
        "工作许可有效期至": permit_ends,
        "居留许可有效期至": permit_ends + timedelta(days=15),
        "所属学院": college.zh,
        "岗位": "外籍教师",
        "合同开始日期": start,
        "合同结束日期": _same_day(start, 2) - timedelta(days=1),
        "月工资": rng.choice(_WAGES),
        "手机": f"1{rng.choice('456789')}{rng.randint(0, 9)}0000{rng.randint(1000, 9999)}",
        "邮箱": f"{given}.{surname}@example.edu".lower(),
        "聘用方式": "派遣" if posted else "直聘",
        "协议国参保证明": "有" if rng.random() < 0.25 else "无",
    }


def _same_day(day: date, years: int) -> date:
    return date(day.year + years, day.month, 28 if (day.month, day.day) == (2, 29) else day.day)


def write_hires(rows: Sequence[dict[str, Any]]) -> bytes:
    """An .xlsx in the layout of the template."""
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True, "strings_to_numbers": False, "strings_to_urls": False})
    sheet = book.add_worksheet("外籍人员参保信息采集表")
    bold, day = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd"})
    sheet.set_column(0, len(HEADINGS) - 1, 15)
    sheet.write_row(0, 0, HEADINGS, bold)
    for line, row in enumerate(rows, start=1):
        for column, heading in enumerate(HEADINGS):
            value = row.get(heading)
            if isinstance(value, date):
                sheet.write_datetime(line, column, datetime.combine(value, time()), day)
            elif isinstance(value, int):
                sheet.write_number(line, column, value)
            elif value is not None:
                sheet.write_string(line, column, str(value))
    sheet.freeze_panes(1, 1)
    book.close()
    return stream.getvalue()
