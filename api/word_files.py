"""What stands in a .docx, for reading beside its link: headings, paragraphs and tables as plain text, in their order.

Invariants: text only, nothing of a file is run, followed or drawn; its size is bounded before it is unpacked, and as
little of a long one is read as is shown. A cell that says it spans a million columns is one cell here.
"""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from docx import Document
from docx.oxml.ns import qn

from api.spreadsheets.reader import MAX_UNPACKED_BYTES, OLE_MAGIC
from runtime.logging import logger
from schemas.base import Text

MAX_TEXT_BYTES = 30 * 1024 * 1024  # of the part that is parsed; prose of that length is no paper of a case
_TEXT, _BREAKS = qn("w:t"), {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n"}
_AGAIN = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # the same once more, for old programs
_AROUND = {qn(n) for n in ("w:sdt", "w:sdtContent", "w:customXml", "w:ins", "w:moveTo")}
_NO_TEXT = (_AGAIN, qn("w:pPr"), qn("w:rPr"), qn("w:del"), qn("w:moveFrom"))
log = logger(__name__)


class UnreadableWord(Exception):
    """It cannot be read; `text` says why, and what to do."""

    def __init__(self, text: Text) -> None:
        self.text = text
        super().__init__(text.zh)


PROTECTED = Text(
    zh="文件设有打开密码，无法预览；请下载后用密码打开，或上传没有密码的文件。",
    en="The file is protected by a password and has no preview: download it and open it with the password, or upload "
    "one without.",
)
DAMAGED = Text(
    zh="文件已损坏或不是 .docx 文档，无法预览；请下载核对，或另存为 .docx 后重新上传。",
    en="The file is damaged or no .docx document, so it has no preview: download it and look, or save it as .docx and "
    "upload it again.",
)
TOO_LARGE = Text(
    zh="文件解压后过大，无法预览；请下载查看。",
    en="The file unpacks to too much for a preview: download it.",
)


@dataclass(frozen=True)
class Block:
    """One paragraph (`heading`: its level, 0 for prose), or one table by its rows."""

    text: str = ""
    heading: int = 0
    rows: list[list[str]] = field(default_factory=list[list[str]])


@dataclass(frozen=True)
class Limits:
    """As much as is shown: paragraphs and rows together, columns of a row, characters of a paragraph or a cell."""

    lines: int
    columns: int
    characters: int


def read(content: bytes, limits: Limits) -> tuple[list[Block], bool]:
    """The beginning of a document, and whether there is more. UnreadableWord."""
    if content.startswith(OLE_MAGIC):
        raise UnreadableWord(PROTECTED)  # what is encrypted is wrapped in this way
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            sizes = {entry.filename: entry.file_size for entry in package.infolist()}
        body = max((size for name, size in sizes.items() if name.endswith(".xml")), default=0)
        if sum(sizes.values()) > MAX_UNPACKED_BYTES or body > MAX_TEXT_BYTES:
            raise UnreadableWord(TOO_LARGE)
        document = Document(io.BytesIO(content))
        headings = _headings(document)
        return _shown(_children(document.element.body), headings, limits)
    except UnreadableWord:
        raise
    except Exception as error:  # a broken package fails anywhere in the reader, in errors of many libraries
        log.info("word_file_unreadable", error=type(error).__name__)
        raise UnreadableWord(DAMAGED) from error


def _headings(document: Any) -> dict[str, int]:
    """The level of each style that makes a heading, by its id: the built-in ones, whatever the language of the file."""
    found: dict[str, int] = {}
    for style in document.styles:
        name = str(style.name or "")
        if name == "Title":
            found[style.style_id] = 1
        elif name.startswith("Heading ") and name[8:].isdigit():
            found[style.style_id] = int(name[8:])
    return found


def _shown(elements: Iterator[Any], headings: dict[str, int], limits: Limits) -> tuple[list[Block], bool]:
    blocks: list[Block] = []
    left, cut = limits.lines, False

    def short(text: str) -> str:
        nonlocal cut
        cut = cut or len(text) > limits.characters
        return text if len(text) <= limits.characters else f"{text[: limits.characters]}…"

    for element in elements:
        if left <= 0:
            return blocks, True
        if element.tag == qn("w:p"):
            text = _text(element).strip()
            if text:
                blocks.append(Block(short(text), headings.get(_style(element), 0)))
                left -= 1
            continue
        rows: list[list[str]] = []
        for row in _within(element, "w:tr"):
            if left <= 0:
                cut = True
                break
            cells = [short(_cell(cell)) for cell in _within(row, "w:tc", limits.columns + 1)]
            cut = cut or len(cells) > limits.columns
            rows.append(cells[: limits.columns])
            left -= 1
        if rows:
            blocks.append(Block(rows=rows))
    return blocks, cut


def _children(element: Any) -> Iterator[Any]:
    """Paragraphs and tables, also those within a field to be filled in or a marked change."""
    for child in element:
        if child.tag in (qn("w:p"), qn("w:tbl")):
            yield child
        elif child.tag in _AROUND:
            yield from _children(child)


def _within(element: Any, tag: str, most: int | None = None) -> Iterator[Any]:
    given = 0
    for child in element:
        if most is not None and given >= most:
            return
        if child.tag == qn(tag):
            given += 1
            yield child
        elif child.tag in _AROUND:
            yield from _within(child, tag, most)


def _cell(cell: Any) -> str:
    lines = (_text(p).strip() for p in cell.iter(qn("w:p")))
    return "\n".join(line for line in lines if line)


def _style(paragraph: Any) -> str:
    style = paragraph.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")
    return str(style.get(qn("w:val"))) if style is not None else ""


def _text(element: Any) -> str:
    """The words of a paragraph, in links and marked changes as well; what was struck out is no text any more."""
    parts: list[str] = []
    for child in element:
        if child.tag == _TEXT:
            parts.append(child.text or "")
        elif child.tag in _BREAKS:
            parts.append(_BREAKS[child.tag])
        elif child.tag not in _NO_TEXT:
            parts.append(_text(child))
    return "".join(parts)
