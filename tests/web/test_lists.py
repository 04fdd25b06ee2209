"""Lists say which filter they stand under, how long they are, and which month or stage there is not."""

import re
from typing import Any

from tests.web.office import open_case


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
