"""What nobody could do is said on the pages: before somebody leaves, and at the incident desk."""

from typing import Any

from store.database import session
from store.tables.people import User
from tests.web.office import open_case, task_id
from worker.nobody import sweep_nobody


async def test_the_hand_over_warns_and_the_desk_shows_it_in_both_languages(door: Any) -> None:
    case = await open_case(1, ["social_bureau"], 5, done=["materials", "verification"])
    admin = await door("admin")
    assert "今后的各项任务" in (warned := (await admin.get("/cover?leaver=head")).text) and 'id="nobody-left"' in warned
    assert "须有处长" in warned and "needs: head" in (await admin.get("/cover?leaver=head&lang=en")).text
    assert 'id="nobody-left"' not in (await admin.get("/cover?leaver=clerk2&lang=zh")).text
    async with session() as s:
        for name in ("clerk", "clerk2", "supervisor"):
            (await s.get_one(User, name)).active = False
    assert await sweep_nobody() >= 1
    page = (await admin.get("/incidents?lang=zh")).text
    assert "无人可办" in page and "无人可以办理" in page
    item = next(
        i
        for i in (await admin.get("/api/v1/incidents?kind=nobody")).json()["items"]
        if i["task_id"] == task_id(case, "social_bureau")
    )
    shown = (await admin.get(f"/incidents/{item['id']}?lang=en")).text
    assert "Nobody may do" in shown and "clerk" in shown and 'id="decide"' not in shown
