"""Both bureaus by hand (mode `portal`): each refuses twice, a cancelled case leaves nothing."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.contract import Json, hire
from tests.e2e.installation import Installation
from tests.e2e.office import Office
from tests.e2e.product import BUREAUS, BY_HAND, Product, assert_no_incident

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def by_hand(installed: Installation) -> Iterator[Product]:
    product = Product(installed, "by-hand", BAOQI_AGENCY_MODES=BY_HAND).start()
    for agency in (*BUREAUS, "tax_office"):
        product.behave(agency)
    yield product
    product.stop()


@pytest.fixture(scope="module")
def office(by_hand: Product) -> Iterator[Office]:
    made = by_hand.office()
    yield made
    made.close()


def test_each_bureau_refuses_twice_by_hand_and_the_case_is_closed(by_hand: Product, office: Office) -> None:
    person = hire()
    case = office.start(**person)
    refused: Counter[str] = Counter()

    def choose(item: Json) -> tuple[str, Json] | None:
        """The first answer at the counter and the second result are refusals."""
        bureau = item["stage"]
        if item["kind"] in ("registration.acceptance", "registration.result") and refused[bureau] < 2:
            if item["kind"] == "registration.acceptance" and refused[bureau] == 1:
                return None
            refused[bureau] += 1
            return "refused", {"code": "R08"}
        return None

    office.work(office.to_state("closed", case), cases=[case], choose=choose, seconds=240)
    assert refused == dict.fromkeys(BUREAUS, 2)
    kinds = Counter((t["kind"], t["stage"]) for t in office.case(case)["tasks"] if t["state"] == "completed")
    for bureau in BUREAUS:
        assert kinds["registration.hand_in", bureau] == 3
        assert kinds["registration.correction", bureau] == 2
        assert by_hand.applications(bureau) == [], "nothing went through the interface"
        assert [r["id_number"] for r in by_hand.registrations(bureau)] == [person["id_number"]]
    assert_no_incident(office, case)
    by_hand.assert_nothing_twice()


def test_cancel_before_hand_in_needs_no_undoing(by_hand: Product, office: Office) -> None:
    person = hire()
    case = office.start(**person)
    office.work(
        lambda: bool(office.open_tasks(case, "registration.hand_in")),
        cases=[case],
        skip=["registration.hand_in"],
        seconds=60,
    )
    assert office.command(case, "cancel").status_code == 200
    office.wait(office.to_state("cancelled", case))
    assert "registration.undo" not in {t["kind"] for t in office.case(case)["tasks"]}
    for bureau in BUREAUS:
        assert person["id_number"] not in {r["id_number"] for r in by_hand.registrations(bureau)}


def test_cancel_after_approval_is_undone_by_tasks(by_hand: Product, office: Office) -> None:
    """The social bureau approved, the medical bureau has the application: a clerk takes both back."""
    person = hire()
    case = office.start(**person)

    def both_in() -> bool:
        said = {(e["kind"], e["data"].get("agency")) for e in office.case(case)["timeline"]}
        return {("approved", "social_bureau"), ("submitted", "medical_bureau")} <= said

    def wait_at_medical(item: Json) -> bool:
        return item["stage"] == "medical_bureau" and item["kind"] in ("registration.acceptance", "registration.result")

    office.work(both_in, cases=[case], leave=wait_at_medical, seconds=60)
    assert office.command(case, "cancel").status_code == 200
    undo = lambda: office.open_tasks(case, "registration.undo")  # noqa: E731
    office.wait(lambda: len(undo()) == 2)
    assert office.case(case)["state"] != "cancelled", "not before the agencies are undone"
    office.work(office.to_state("cancelled", case), cases=[case], seconds=60)
    for bureau in BUREAUS:
        assert person["id_number"] not in {r["id_number"] for r in by_hand.registrations(bureau)}
    assert_no_incident(office, case)
