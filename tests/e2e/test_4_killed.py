"""kill -9 of every process while cases are under way: started again they go on, and the agencies see nothing twice."""

import threading
import time
from collections.abc import Callable, Iterator

import httpx2 as httpx
import pytest

from tests.e2e.contract import hire
from tests.e2e.product import BUREAUS, Product, assert_board_counts_its_lists, assert_no_incident

pytestmark = [pytest.mark.machine, pytest.mark.timeout(480)]
PEOPLE = 3


@pytest.fixture
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    made = Product(tmp_path_factory.mktemp("killed") / "data").start()
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
