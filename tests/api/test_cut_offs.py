"""A case and its tasks show each agency's cut-off for staff changes, with the words and the way it was counted."""

from datetime import date

import pytest

from domain.times import at
from runtime import clock
from schemas.base import Text
from schemas.process import Stage, StageState
from tests.api.conftest import Office, deadline

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_planned_hand_in_after_the_cut_off_is_said_on_case_and_task(office: Office) -> None:
    clock.set_offset(at(date(2026, 11, 16), "10:00") - clock.real_now())
    case = await office.case()
    task = await office.task(case, "enrolment.materials", key="materials/1", roles=["college"], outcomes=["submit"])
    clerk = await office.sign_in("clerk")
    shown = (await clerk.get(f"/api/v1/processes/{case}")).json()["cut_offs"]
    assert [c["agency"] for c in shown] == ["social_bureau", "medical_bureau"]
    assert [(c["due"], c["planned"], c["late"], c["counts_for"]) for c in shown] == [
        ("2026-11-20", "2026-11-25", True, "2026-12")
    ] * 2
    assert all("2026-12" in c["says"]["zh"] and "next month" in c["says"]["en"] and c["derivation"] for c in shown)
    assert all(c["sample"] for c in shown)
    assert (await clerk.get(f"/api/v1/tasks/{task}")).json()["cut_offs"] == shown

    # At one agency its own is shown, with nothing left but the hand-in; what was handed in is judged by its day.
    stage = Stage(code="social_bureau", title=Text(zh="社保局", en="Bureau"), column=2, state=StageState.ACTIVE)
    met = deadline(date(2026, 12, 16), ident="DL-REG-FOR@medical_bureau").model_copy(
        update={"met_at": at(date(2026, 11, 13), "11:00")}
    )
    task = await office.task(
        case, "registration.hand_in", key="social_bureau.hand_in/1", outcomes=["handed_in"], authority="social_bureau",
        revision=2, process={"stages": [stage], "deadlines": [met]},
    )  # fmt: skip
    (own,) = (await clerk.get(f"/api/v1/tasks/{task}")).json()["cut_offs"]
    assert (own["agency"], own["planned"], own["late"]) == ("social_bureau", "2026-11-16", False)
    medical = (await clerk.get(f"/api/v1/processes/{case}")).json()["cut_offs"][1]
    assert (medical["handed_in"], medical["planned"], medical["counts_for"]) == (True, "2026-11-13", "2026-11")
