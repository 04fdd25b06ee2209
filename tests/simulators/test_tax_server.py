"""The tax office's side: who is visible, bills to the cent, payments that cannot be made twice, certificates."""

import time
from decimal import Decimal
from typing import Any

import pytest

from simulators.rates import premium


def test_a_person_becomes_visible_after_approval_and_synchronisation(caller: Any) -> None:
    caller.behave("tax_office", sync_after_seconds=0.5)
    number = caller.enrol("social_bureau", "a")
    query = {"number": number, "levy": "social"}
    assert caller.http.get("/tax_office/visible", params=query).json()["visible"] is False
    hidden = caller.bill("b0", number, "2026-10")
    assert hidden.status_code == 422 and hidden.json()["code"] == "not_visible"
    time.sleep(0.6)
    assert caller.http.get("/tax_office/visible", params=query).json()["visible"] is True
    assert caller.http.get("/tax_office/visible", params=query | {"levy": "medical"}).json()["visible"] is False
    asked = caller.http.post("/tax_office/visibility", json={"levy": "social", "numbers": [number, "NOBODY"]})
    assert asked.json()["missing"] == ["NOBODY"]


def test_a_bill_is_right_to_the_cent_and_bounded(caller: Any) -> None:
    number = caller.enrol("social_bureau", "a")
    bill = caller.bill("b1", number, "2026-10", "2026-11").json()
    october = {i["insurance"]: (i["unit_amount"], i["person_amount"]) for i in bill["items"] if i["month"] == "2026-10"}
    assert october == {
        "pension": ("2880.00", "1440.00"), "unemployment": ("108.00", "72.00"), "work_injury": ("72.00", "0.00"),
    }  # fmt: skip
    assert (bill["unit_total"], bill["person_total"], bill["total"]) == ("6120.00", "3024.00", "9144.00")
    medical = caller.enrol("medical_bureau", "m", base="30000.00")
    items = caller.bill("b2", medical, "2026-10", levy="medical").json()["items"]
    assert {i["base"] for i in items} == {"23493"}
    assert {i["insurance"]: i["unit_amount"] for i in items} == {
        "medical": "1621.02", "maternity": "187.94", "large_medical": "140.96",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("insurance", "levy", "declared", "month", "base", "unit"),
    [
        ("pension", "social", "3000", "2025-12", "4588", "734.08"),
        ("work_injury", "social", "10000", "2024-12", "10000", "32.00"),
        ("work_injury", "social", "10000", "2025-01", "10000", "40.00"),
        ("medical", "medical", "99999", "2026-06", "22938", "1582.72"),
        ("medical", "medical", "99999", "2026-07", "23493", "1621.02"),
        ("pension", "social", "6000.50", "2027-02", "6001", "960.16"),
    ],
)
def test_the_offices_own_table(insurance: str, levy: str, declared: str, month: str, base: str, unit: str) -> None:
    amount = premium(insurance, levy, Decimal(declared), month)
    assert (str(amount.base), str(amount.unit_amount)) == (base, unit)


def test_a_bill_is_paid_once_with_a_certificate(caller: Any) -> None:
    number = caller.enrol("social_bureau", "a")
    bill = caller.bill("b1", number, "2026-10").json()
    wrong = caller.pay("p0", bill["bill_no"], "1.00")
    assert wrong.status_code == 422 and wrong.json()["code"] == "amount_mismatch"
    paid = caller.pay("p1", bill["bill_no"], bill["total"]).json()
    assert caller.pay("p1", bill["bill_no"], bill["total"]).json() == paid
    twice = caller.pay("p2", bill["bill_no"], bill["total"])
    assert twice.status_code == 409 and twice.json()["code"] == "already_paid"
    assert caller.bill("b2", number, "2026-10").json()["code"] == "already_paid"
    done = [i for i in caller.log("tax_office") if i["outcome"] == "paid"]
    assert [i["repeat"] for i in done] == [False, True]
    pdf = caller.http.get(f"/tax_office/certificates/{paid['certificate_no']}")
    assert pdf.content.startswith(b"%PDF-") and pdf.headers["content-type"] == "application/pdf"


def test_a_newer_bill_replaces_the_unpaid_one(caller: Any) -> None:
    number = caller.enrol("social_bureau", "a")
    old = caller.bill("b1", number, "2026-10").json()
    new = caller.bill("b2", number, "2026-10").json()
    refused = caller.pay("p", old["bill_no"], old["total"])
    assert refused.status_code == 409 and refused.json()["code"] == "bill_replaced"
    assert caller.pay("q", new["bill_no"], new["total"]).status_code == 200
    listed = caller.http.get("/tax_office/bills", params={"levy": "social", "numbers": number}).json()["items"]
    assert [b["state"] for b in listed] == ["replaced", "paid"]


def test_an_ordered_error_makes_one_bill_wrong(caller: Any) -> None:
    number = caller.enrol("social_bureau", "a")
    caller.behave("tax_office", bill_error={"insurance": "pension", "cents": 7, "times": 1})
    wrong = caller.bill("b1", number, "2026-10").json()
    right = caller.bill("b2", number, "2026-10").json()
    assert Decimal(wrong["total"]) - Decimal(right["total"]) == Decimal("0.07")


def test_a_number_that_stands_twice_on_a_bill_is_refused(caller: Any) -> None:
    item = {"number": caller.enrol("social_bureau", "a"), "months": ["2026-10"]}
    body = {"unit": "school", "levy": "social", "items": [item, item]}
    answer = caller.http.post("/tax_office/bills", json=body, headers={"Idempotency-Key": "b"})
    assert answer.status_code == 422 and answer.json()["code"] == "number_twice"


def test_a_month_before_the_start_is_not_covered(caller: Any) -> None:
    number = caller.enrol("social_bureau", "a")
    answer = caller.bill("b1", number, "2026-09")
    assert answer.status_code == 422 and answer.json()["code"] == "not_covered"


def test_what_was_paid_too_low_is_made_up_once_by_a_declaration_of_its_own(caller: Any) -> None:
    """Only the difference to everything paid for the month so far, on one bill with a month paid for the first time."""
    number = caller.enrol("social_bureau", "a")
    item = {"number": number, "make_up": [{"month": "2026-10", "base": "19000.00"}]}
    early = caller.bill("m0", number, items=[item])
    assert (early.status_code, early.json()["code"]) == (409, "not_paid_yet")
    first = caller.bill("b1", number, "2026-10").json()
    caller.pay("p1", first["bill_no"], first["total"])
    assert caller.bill("b2", number, "2026-10").json()["code"] == "already_paid", "a month is never paid for twice"
    mixed = item | {"months": ["2026-11"]}
    bill = caller.bill("m1", number, items=[mixed], kind="supplementary").json()
    assert caller.bill("m1", number, items=[mixed], kind="supplementary").json() == bill, "the same key, the same bill"
    made_up = {i["insurance"]: (i["unit_amount"], i["person_amount"]) for i in bill["items"] if i["month"] == "2026-10"}
    assert made_up == {
        "pension": ("160.00", "80.00"),
        "unemployment": ("6.00", "4.00"),
        "work_injury": ("4.00", "0.00"),
    }
    assert {i["month"]: i["declaration"] for i in bill["items"]} == {"2026-10": "make_up", "2026-11": "premium"}
    assert caller.pay("p2", bill["bill_no"], bill["total"]).status_code == 200
    for wage, code in (("19000.00", "nothing_to_make_up"), ("18500.00", "make_up_too_low")):
        again = {"number": number, "make_up": [{"month": "2026-10", "base": wage}]}
        answer = caller.bill(f"m-{code}", number, items=[again])
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    higher = {"number": number, "make_up": [{"month": "2026-10", "base": "99999.00"}]}
    last = caller.bill("m3", number, items=[higher]).json()["items"]
    pension = next(i for i in last if i["insurance"] == "pension")
    assert Decimal(pension["unit_amount"]) == premium("pension", "social", Decimal(99999), "2026-10").unit_amount - 3040


@pytest.mark.parametrize(
    "item",
    [{}, {"months": ["2026-10"], "make_up": [{"month": "2026-10", "base": "19000.00"}]}, {"months": ["2026-10"] * 2}],
)
def test_a_person_on_a_bill_has_each_month_once_and_one_at_least(caller: Any, item: dict[str, Any]) -> None:
    answer = caller.bill("b", "DEU0", items=[{"number": "DEU0"} | item])
    assert (answer.status_code, answer.json()["code"]) == (422, "body_invalid")
