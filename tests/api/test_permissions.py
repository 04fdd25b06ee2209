"""Commands on processes: who may give them, and which processes are shared by many cases."""

import pytest

from api.permissions import process_actions
from schemas.base import Text
from schemas.process import CANCELLING
from store.users import Viewer


def viewer(*roles: str) -> Viewer:
    return Viewer(username="x", name=Text(zh="某人", en="Someone"), roles=frozenset(roles), org_units=frozenset())


@pytest.mark.parametrize("kind", ["tax_payment", "reimbursement"])
def test_what_many_cases_share_offers_no_cancelling(kind: str) -> None:
    assert process_actions(viewer("clerk"), kind, "running", []) == ["suspend", "decide_date"]
    assert process_actions(viewer("supervisor"), kind, "suspended", []) == ["resume", "decide_date"]


def test_a_case_can_be_cancelled_by_the_office_alone() -> None:
    assert process_actions(viewer("clerk"), "enrolment", "waiting", []) == ["suspend", "cancel", "decide_date"]
    assert process_actions(viewer("college"), "enrolment", "waiting", []) == []
    assert process_actions(viewer("clerk"), "enrolment", "closed", []) == []


@pytest.mark.parametrize("state", ["running", "waiting", "suspended"])
def test_a_case_that_is_being_cancelled_takes_no_command(state: str) -> None:
    for role in ("clerk", "supervisor", "head"):
        assert process_actions(viewer(role), "enrolment", state, [CANCELLING]) == []
