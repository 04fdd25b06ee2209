"""A spreadsheet is shown as a table below its link, a .docx as its words, to those who may download it, and never as
anything that acts."""

import io
import zipfile
from datetime import date
from typing import Any

import pytest
from docx import Document

from api import word_files
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


def docx() -> bytes:
    """A heading, prose with a mark-up of its own, a table, and more paragraphs than are shown."""
    document = Document()
    document.add_heading("工资核定表", 1)
    document.add_paragraph("基数 12000 元 <script>alert(1)</script>")
    table = document.add_table(rows=2, cols=40)
    table.cell(0, 0).text, table.cell(1, 0).text, table.cell(0, 35).text = "姓名", "张三", "远列"
    document.add_paragraph("丈" * 3000)
    for _ in range(200):
        document.add_paragraph("后文")
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def without(content: bytes, member: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for entry in old.infolist():
            new.writestr(entry, b"<no xml" if entry.filename == member else old.read(entry))
    return stream.getvalue()


async def test_a_word_document_is_its_words_below_its_link(door: Any) -> None:
    case = await open_case(1, ["verification"], 5)
    kept: dict[str, str] = {}
    async with session() as s:
        for name, content in (
            ("核定表.docx", docx()),
            ("坏.docx", without(docx(), "word/document.xml")),
            ("加密.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"EncryptedPackage"),
            ("旧.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ):
            row = await documents.store(
                s, content, filename=name, media_type="application/octet-stream", code=f"M-{name}",
                uploaded_by="system", now=clock.now(), process_id=case, task_id=task_id(case, "verification"),
            )  # fmt: skip
            kept[name] = f"/documents/{row.id}/text"
    clerk = await door("clerk")
    page = (await clerk.get(f"/cases/{case}")).text
    assert f'hx-get="{kept["核定表.docx"]}"' in page
    assert "旧格式不能预览" in page and kept["旧.doc"] not in page
    seen = (await clerk.get(kept["核定表.docx"])).text
    assert "工资核定表" in seen and "张三" in seen and "远列" not in seen
    assert "<script>" not in seen and "&lt;script&gt;alert(1)" in seen
    assert seen.count("后文") == 100 - 5 and seen.count("丈") == 2000 and "只显示前 100 行" in seen
    assert "已损坏" in (await clerk.get(kept["坏.docx"])).text
    assert "password" in (await clerk.get(kept["加密.docx"] + "?lang=en")).text
    stranger = await door("college2")
    assert (await stranger.get(kept["核定表.docx"])).status_code == 404


def test_a_document_that_unpacks_to_too_much_is_not_unpacked() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("word/document.xml", b" " * (word_files.MAX_TEXT_BYTES + 1))
    with pytest.raises(word_files.UnreadableWord) as caught:
        word_files.read(stream.getvalue(), word_files.Limits(10, 10, 10))
    assert caught.value.text == word_files.TOO_LARGE
