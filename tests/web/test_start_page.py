"""The page on which lists are uploaded: what it says about a file."""

from pathlib import Path
from typing import Any

import pytest

from tests.imports import files
from tests.web.conftest import Site

pytestmark = pytest.mark.browser


async def upload(page: Any, content: bytes, button: str = "preview", name: str = "hires.xlsx") -> None:
    await page.goto("/start")
    await page.set_input_files("#file", {"name": name, "mimeType": "application/vnd.ms-excel", "buffer": content})
    await page.click(f"button[value={button}]")


async def test_filled_columns_that_were_not_read_are_named(site: Site) -> None:
    [header, *people] = files.sample_rows()[:3]
    renamed = ["证明材料" if h == "协议国参保证明" else h for h in header]
    page = await site.visitor("clerk")
    await upload(page, files.xlsx([renamed, *people]))
    said = await page.inner_text("#unread")
    assert "证明材料" in said and "协议国参保证明" in said and "2 行" in said
    await upload(page, files.SAMPLE.read_bytes())
    await page.wait_for_selector("#result")
    assert await page.locator("#unread").count() == 0


@pytest.mark.parametrize(("lang", "words"), [("zh", "文件有 50 MB"), ("en", "The file has 50 MB")])
async def test_a_file_that_is_too_large_is_told_its_true_size(
    site: Site, lang: str, words: str, tmp_path: Path
) -> None:
    large = tmp_path / "large.csv"  # from the disk: the driver takes no such buffer
    large.write_bytes(b"x" * (50 * 1024 * 1024))
    page = await site.visitor("clerk", lang)
    await page.goto("/start")
    await page.set_input_files("#file", large)
    await page.click("button[value=preview]")
    said = await page.inner_text(".notice.bad")
    assert words in said and "20 MB" in said
