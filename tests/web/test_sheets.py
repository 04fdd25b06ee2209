"""A spreadsheet is shown as a table below its link, to those who may download it, and never as anything that acts."""

from datetime import date
from typing import Any

from runtime import clock
from store import documents
from store.database import session
from store.import_files import XLSX
from tests.imports.files import xlsx
from tests.web.office import open_case, task_id

ROWS = [["证件号码", "姓名"], ["C01X00T41", "<script>alert(1)</script>"], ["=1+1", date(2026, 11, 24)]]


async def test_a_spreadsheet_is_a_table_below_its_link(door: Any) -> None:
    case = await open_case(1, ["verification"], 5)
    kept: dict[str, str] = {}
    async with session() as s:
        for name, content in (
            ("申请表.xlsx", xlsx(ROWS, more={"第二页": [["甲"] * 40, *([["乙"]] * 200)]})),
            ("坏.xlsx", b"PK\x03\x04 no"),
        ):  # fmt: skip
            row = await documents.store(
                s, content, filename=name, media_type=XLSX, code="M01", uploaded_by="system", now=clock.now(),
                process_id=case, task_id=task_id(case, "verification"),
            )  # fmt: skip
            kept[name] = f"/documents/{row.id}/table"
    clerk = await door("clerk")
    page = (await clerk.get(f"/cases/{case}")).text
    assert f'hx-get="{kept["申请表.xlsx"]}"' in page
    seen = (await clerk.get(kept["申请表.xlsx"])).text
    assert "C01X00T41" in seen and "2026-11-24" in seen and "第二页" in seen
    assert "<script>" not in seen and "&lt;script&gt;alert(1)" in seen
    assert seen.count("乙") == 99 and seen.count("甲") == 30 and "只显示前 100 行" in seen
    assert "已损坏" in (await clerk.get(kept["坏.xlsx"])).text
    stranger = await door("college2")
    assert (await stranger.get(kept["申请表.xlsx"])).status_code == 404
