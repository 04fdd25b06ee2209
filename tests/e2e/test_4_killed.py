"""kill -9 of every process while cases are under way: started again they go on, and the agencies see nothing twice."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import httpx2 as httpx
import pytest

from tests.contract import hire
from tests.e2e.installation import ONCE, Installation
from tests.e2e.product import BUREAUS, BY_HAND, Product, assert_board_counts_its_lists, assert_no_incident

pytestmark = [pytest.mark.machine, pytest.mark.timeout(480)]
PEOPLE = 3
STEPS = ("registration.hand_in", "registration.acceptance", "registration.result")  # a bureau by hand


@pytest.fixture
def product(installed: Installation) -> Iterator[Product]:
    made = Product(installed, "killed").start()
    yield made
    made.stop()


@pytest.fixture
def by_hand(installed: Installation) -> Iterator[Product]:
    made = Product(installed, "killed-by-hand", BAOQI_AGENCY_MODES=BY_HAND).start()
    yield made
    made.stop()


def work_until_killed(product: Product, cases: list[str], moment: Callable[[], bool]) -> None:
    """People click on while everything is killed under their hands, as soon as `moment` has come."""
    office = product.office()
    broken: list[BaseException] = []
    killed = threading.Event()

    def click() -> None:
        try:
            office.work(killed.is_set, cases=cases, seconds=150)
        except (httpx.HTTPError, AssertionError) as error:
            broken.append(error)

    people = threading.Thread(target=click)
    people.start()
    end = time.monotonic() + 120
    while not moment() and people.is_alive():
        assert time.monotonic() < end, f"the moment never came\n{office.standing()}"
        time.sleep(0.05)
    assert people.is_alive(), f"nobody works any more: {broken}"
    product.kill_everything()
    killed.set()
    people.join(60)
    assert not people.is_alive()
    office.close()


def test_kill_of_everything_mid_case_and_nothing_arrives_twice(product: Product) -> None:
    hired = [hire() for _ in range(PEOPLE)]
    numbers = sorted(h["id_number"] for h in hired)
    for agency in (*BUREAUS, "tax_office"):
        # Slow enough to be hit on the way; the first answer to every write is lost, as in a crash in mid-call.
        product.behave(agency, accept_after_seconds=0.5, decide_after_seconds=1.5, duplicate_responses=True)
    office = product.office()
    cases = [office.start(**h) for h in hired]
    office.close()

    # First: an application has just come in at a bureau, whose answer never reached us.
    work_until_killed(product, cases, lambda: bool(product.applications("social_bureau")))
    product.start()
    # Second: the first bill is being made or paid.
    work_until_killed(product, cases, lambda: bool(product.log("tax_office")))
    product.start()
    # Third: the money has just left.
    work_until_killed(product, cases, lambda: bool(product.payments()))
    product.start()

    office = product.office()
    office.work(office.to_state("closed", *cases), seconds=240)
    for bureau in BUREAUS:
        assert sorted(product.applications(bureau)) == numbers, bureau
        assert sorted(r["id_number"] for r in product.registrations(bureau)) == numbers
    product.assert_nothing_twice()
    office.work(lambda: {p["state"] for p in office.processes(kind="reimbursement")} == {"closed"}, seconds=60)
    assert len(office.processes(kind="reimbursement")) == len(product.payments())
    assert_no_incident(office, *cases)
    assert_board_counts_its_lists(office)
    office.close()


@ONCE
def test_kill_of_everything_while_clerks_hand_in_and_nobody_is_registered_twice(by_hand: Product) -> None:
    hired = [hire() for _ in range(PEOPLE)]
    numbers = sorted(h["id_number"] for h in hired)
    for agency in (*BUREAUS, "tax_office"):
        by_hand.behave(agency, duplicate_responses=True)
    office = by_hand.office()
    cases = [office.start(**h) for h in hired]

    def done(kind: str) -> bool:
        """A task of this kind has just been completed, its case not yet closed."""
        tasks = [t for c in cases for t in office.case(c)["tasks"] if t["kind"] == kind]
        return any(t["state"] == "completed" for t in tasks)

    # Just handed in at the counter; and when what a clerk typed on the bureau's own site has just arrived there.
    for moment in (lambda: done("registration.hand_in"), lambda: bool(by_hand.log("social_bureau"))):
        work_until_killed(by_hand, cases, moment)
        office.close()
        by_hand.start()
        office = by_hand.office()

    office.work(office.to_state("closed", *cases), seconds=240)
    for bureau in BUREAUS:
        assert by_hand.applications(bureau) == [], "nothing went through the interface"
        entered = [e["body"]["id_number"] for e in by_hand.log(bureau) if e["outcome"] == "entered" and not e["repeat"]]
        assert sorted(entered) == numbers, bureau
        assert sorted(r["id_number"] for r in by_hand.registrations(bureau)) == numbers
        for case in cases:
            steps = Counter(t["kind"] for t in office.case(case)["tasks"] if t["stage"] == bureau)
            assert steps == dict.fromkeys(STEPS, 1), (case, bureau)
    by_hand.assert_nothing_twice()
    assert_no_incident(office, *cases)
    assert_board_counts_its_lists(office)
    office.close()
