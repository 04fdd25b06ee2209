"""Lists say which filter they stand under, how long they are, which month or stage there is not, and which name in the
address is no filter."""

import re
from typing import Any

from tests.web.office import open_case


async def test_what_one_started_is_one_click_from_the_inbox(door: Any) -> None:
    await open_case(1, [], 5, done=["materials", "verification"])  # waits, and has no task
    clerk, other = await door("clerk"), await door("clerk2")
    for client, n in ((clerk, 1), (other, 0)):
        inbox = (await client.get("/inbox?view=started")).text
        assert "/cases?started_by=me&amp;state=open" in inbox and f"{n} 件办理中" in inbox
        assert "/cases?started_by=me" not in (await client.get("/inbox?view=mine")).text
        cases = (await client.get("/cases?started_by=me&state=open")).text
        assert ("FE2026-0001" in cases) is bool(n) and "发起人：我" in cases
    assert "发起人：" in (by := (await other.get("/cases?started_by=clerk")).text) and "FE2026-0001" in by


async def test_a_list_says_its_stage_its_length_and_what_is_no_month(door: Any) -> None:
    await open_case(1, ["verification"], 5)
    boss = await door("supervisor")
    page = (await boss.get("/cases?stage=verification")).text
    assert "环节：材料审核" in page and "FE2026-0001" in page
    assert "没有“zzz”这个环节" in (await boss.get("/cases?stage=zzz")).text
    inbox = (await boss.get("/inbox?view=all")).text
    assert re.search(r'aria-current="page">全部<span class="count">1</span>', inbox)
    assert "在任务页" in inbox and "Ctrl+Enter" in inbox
    assert (await boss.get("/calendar?month=1900-01")).status_code == 200
    refused = await boss.get("/calendar?month=1899-12")
    assert refused.status_code == 422 and "1900 至 2199" in refused.text


async def test_a_misspelt_filter_is_said_and_the_list_stands_without_it(door: Any) -> None:
    await open_case(1, ["verification"], 5)
    boss = await door("supervisor")
    for path in ("/cases", "/inbox", "/incidents", "/escalations", "/dates", "/calendar", "/figures"):
        wrong = await boss.get(f"{path}?overdu=true&<script>=1")
        assert wrong.status_code == 200, path
        assert "“overdu、&lt;script&gt;”不是本页的筛选条件" in wrong.text and "<script>" not in wrong.text, path
        right = await boss.get(f"{path}?lang=zh&said=started&saved=1&utm_source=mail")
        assert 'id="unknown-filter"' not in right.text, path
    seen = (await boss.get("/cases?overdu=true&lang=en")).text
    assert "FE2026-0001" in seen and "“overdu” in the address is no filter" in seen and "overdue, due_today" in seen
    assert 'id="unknown-filter"' not in (await boss.get("/cases?overdue=true")).text
