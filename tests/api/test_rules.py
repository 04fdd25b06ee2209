"""What was deducted, by which rule, and who may know it; values and dates by rule as anyone may look them up."""

import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from domain.times import SHANGHAI
from runtime import clock
from schemas.base import Text
from schemas.calls import FreezeArg, PaymentScope
from schemas.tax_payment import BillKind
from store import ledger, people
from store.database import session
from store.month_lines import InsuredMonth, write_month
from store.premium_lines import add_correction
from store.users import create_user
from tests.api.conftest import PASSWORD, Office, hire

MARCH = "2024-03"
AT = datetime(2024, 9, 2, 10, 0, tzinfo=SHANGHAI)  # the notice of 2024 is of 23 August


async def insured(name: str, unit: str, number: str, wage: str = "4300") -> str:
    """A person of a college with the lines of March 2024, as they were written in September."""
    record = hire(name=name, name_zh=None, id_number=number, org_unit=unit, contract_start="2024-01-01")
    async with session() as s:
        person = await people.save_person(s, record, str(uuid.uuid4()), clock.now())
        await people.save_hire(s, f"enrolment-{person.id[:8]}", person.id, record, source="import", now=clock.now())
        one = InsuredMonth(f"month-{person.id[:8]}", person.id, unit, "FOREIGN_WORK_PERMIT", Decimal(wage))
        await write_month(
            s, [one], month=MARCH, payment_month=MARCH, known_on=AT.date(), now=AT, actor="system"
        )  # fmt: skip
    return person.id


async def test_what_was_deducted_in_march_2024_by_which_rule(office: Office) -> None:
    person = await insured("Anna Muster", "business", "C01X00T47")
    clerk = await office.sign_in("clerk")
    path = f"/api/v1/rules/persons/{person}/months/{MARCH}"
    found = (await clerk.get(path)).json()
    pension = found["lines"][0]
    assert (found["name"], found["category"], found["scheme"]) == ("Anna Muster", "FOREIGN_WORK_PERMIT", "enterprise")
    assert pension["base"] == "4511.00" and (pension["unit_amount"], pension["person_amount"]) == ("721.76", "360.88")
    assert "低于下限，按 4511" in pension["explanation"]["zh"]
    assert "below the floor 4511" in pension["explanation"]["en"]
    assert pension["source"] == "川人社办发〔2024〕48号 B2024；B2019; 国办发〔2019〕13号"
    assert (found["known_on"], pension["standing"], pension["flags"]) == ("2024-09-02", "open", [])
    used = found["rules"]["items"][0]
    assert (used["limit"]["floor"], used["limit"]["published_on"], used["flags"]) == ("4511", "2024-08-23", [])
    then = (await clerk.get(path, params={"known_on": "2024-03-20"})).json()["rules"]["items"]
    assert (then[0]["limit"]["floor"], then[0]["flags"]) == ("4246", ["limit_of_last_year"])
    injury = next(i for i in then if i["insurance"] == "work_injury")
    assert injury["limit"] is None and "2024-03" in injury["gaps"][0]["zh"]
    assert {"B2024", "B2019"} <= {r["id"] for r in found["references"]}
    assert Decimal(found["person_total"]) == sum(Decimal(x["person_amount"]) for x in found["lines"])
    assert [i["insurance"] for i in found["rules"]["items"]] == [x["insurance"] for x in found["lines"]]


async def test_a_correction_and_the_bill_stand_beside_the_line(office: Office) -> None:
    person = await insured("Anna Muster", "business", "C01X00T47")
    async with session() as s:
        scope = PaymentScope(unit="school", levy="social", month=MARCH)
        bill = await ledger.freeze_bill(s, FreezeArg(scope=scope, kind=BillKind.REGULAR, round=1))
        line = (await ledger.lines_of_bill(s, bill.bill_id))[0]
        why = Text(zh="基数更正", en="base corrected")
        await add_correction(s, line, Decimal("33.76"), Decimal("16.88"), why, actor="clerk", now=clock.now())
        await ledger.record_payment(
            s, bill.bill_id, paid_on=date(2024, 3, 22), certificate_no="C-1", amount=Decimal("1"), actor="clerk"
        )
    found = (await (await office.sign_in("auditor")).get(f"/api/v1/rules/persons/{person}/months/{MARCH}")).json()
    first = next(x for x in found["lines"] if x["id"] == line.id)
    assert (first["standing"], first["paid_on"], first["certificate_no"]) == ("paid", "2024-03-22", "C-1")
    corrected = next(x for x in found["lines"] if x["corrects"] == line.id)
    assert (corrected["person_amount"], corrected["standing"], corrected["reason"]) == ("16.88", "open", "基数更正")
    assert Decimal(found["person_total"]) == sum(Decimal(x["person_amount"]) for x in found["lines"])


async def test_who_may_read_whose_month(office: Office) -> None:
    anna = await insured("Anna Muster", "business", "C01X00T47")
    ben = await insured("Ben Sample", "physics", "C01X00T55")
    async with session() as s:
        for name, person in (("anna", anna), ("ben", ben)):
            await create_user(
                s,
                name,
                PASSWORD,
                name_zh=name,
                name_en=name,
                roles=["employee"],
                org_units=[],
                email=f"{name}@x.example",
            )
            (await s.get_one(people.User, name)).person_id = person
        await create_user(
            s, "policy", PASSWORD, name_zh="政策", name_en="Policy", roles=["policy"], org_units=[], email="p@x.example"
        )

    async def status(who: str, person: str) -> int:
        answer = await (await office.sign_in(who)).get(f"/api/v1/rules/persons/{person}/months/{MARCH}")
        return answer.status_code

    for office_role in ("clerk", "supervisor", "head", "payroll", "auditor", "admin"):
        assert await status(office_role, anna) == 200, office_role
    assert [await status("college", p) for p in (anna, ben)] == [200, 404]
    assert [await status("college2", p) for p in (anna, ben)] == [404, 200]
    assert [await status("anna", p) for p in (anna, ben, "me")] == [200, 404, 200]
    assert [await status("policy", p) for p in (anna, ben, "me")] == [404, 404, 404]
    assert (await office.anonymous().get(f"/api/v1/rules/persons/{anna}/months/{MARCH}")).status_code == 401

    async def names(who: str, q: str) -> Any:
        answer = await (await office.sign_in(who)).post("/api/v1/rules/persons/search", json={"q": q})
        return [p["name"] for p in answer.json()["items"]] if answer.status_code == 200 else answer.status_code

    assert await names("clerk", "m") == ["Anna Muster", "Ben Sample"]
    assert await names("college", "m") == ["Anna Muster"] and await names("college2", "anna") == []
    assert await names("clerk", "C01X00T55") == ["Ben Sample"] and await names("college", "C01X00T55") == []
    assert await names("anna", "ben") == 403


async def test_a_college_reads_only_the_months_in_which_the_person_was_theirs(office: Office) -> None:
    moved = await insured("Anna Muster", "business", "C01X00T47")
    async with session() as s:
        one = InsuredMonth("month-2", moved, "physics", "FOREIGN_WORK_PERMIT", Decimal("9000"))
        await write_month(
            s, [one], month="2024-04", payment_month="2024-04", known_on=AT.date(), now=AT, actor="system"
        )
    physics = await office.sign_in("college2")
    april = (await physics.get(f"/api/v1/rules/persons/{moved}/months/2024-04")).json()
    march = (await physics.get(f"/api/v1/rules/persons/{moved}/months/{MARCH}")).json()
    assert april["months"] == ["2024-04"] and len(april["lines"]) == 6
    assert (march["lines"], march["person_total"], march["category"]) == ([], "0.00", None)


async def test_values_and_dates_by_rule(office: Office) -> None:
    client = await office.sign_in("college")
    answer = (await client.get("/api/v1/rules/values", params={"month": "2025-01", "known_on": "2025-02-01"})).json()
    by_name = {i["insurance"]: i for i in answer["items"]}
    assert by_name["pension"]["flags"] == ["limit_of_last_year"] and by_name["pension"]["law"] == "社会保险法 art.12"
    assert by_name["maternity"]["rate"]["sample"] and "sample" in by_name["maternity"]["flags"]
    assert by_name["annuity"]["rate"] is None and "职业年金" in by_name["annuity"]["gaps"][0]["zh"]
    query = {"month": "2025-01", "insurance": "work_injury", "risk_class": "8"}
    (risky,) = (await client.get("/api/v1/rules/values", params=query)).json()["items"]
    assert Decimal(risky["rate"]["unit_rate"]) > Decimal(by_name["work_injury"]["rate"]["unit_rate"])
    for query, pointer in (({"month": "2025-13"}, "month"), ({"month": "2025-01", "known_on": "x"}, "known_on")):
        refused = await client.get("/api/v1/rules/values", params=query)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, f"/query/{pointer}")

    rules = {r["id"]: r for r in (await client.get("/api/v1/rules/deadlines")).json()["items"]}
    assert (rules["DL-REG-FOR"]["wants"], rules["DL-PAY-PUB"]["wants"], rules["DL-DECL-MONTH"]["wants"]) == (
        "day",
        "month",
        None,
    )
    for r in rules.values():
        anchor = {"day": "2026-09-18", "month": "2026-09"}.get(r["wants"], "2026-09-18")
        found = await client.get(f"/api/v1/rules/deadlines/{r['id']}", params={"anchor": anchor})
        assert found.status_code == (200 if r["wants"] else 422), (r["id"], found.text)
    found = (await client.get("/api/v1/rules/deadlines/DL-NORM-CHANGE", params={"anchor": "2026-09-18"})).json()
    # ten working days: 20 September is a make-up Sunday at work, 25-27 Mid-Autumn and 1-7 October are off
    assert found["due"] == "2026-10-09"
    assert any("中秋节" in step["text"]["zh"] for step in found["derivation"])
    bad = await client.get("/api/v1/rules/deadlines/DL-REG-FOR", params={"anchor": "2026-09"})
    assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (422, "/query/anchor")
    assert (await client.get("/api/v1/rules/deadlines/DL-X", params={"anchor": "2026-09-18"})).status_code == 404
