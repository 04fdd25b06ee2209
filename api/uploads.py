"""Files of a task: upload with checks on suffix, content and size, and download.

The content decides, not the name: a file whose first bytes are not what its suffix says is refused. Reading a personal
document is written to the audit trail.
"""

import asyncio
import io
import re
import unicodedata
import zipfile
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, File, Form, Response, UploadFile
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from api import own_case, permissions, stored_files, tasks, views
from api.problems import BadFile, NotFound, TooLarge
from api.sign_in import CurrentViewer
from runtime.settings import get_settings
from schemas.api import DocumentView
from schemas.base import Text
from schemas.tasks import DocumentRequest, TaskSpec
from store import applications, audit
from store.bill_files import UnreadableBill, read_bill
from store.database import session
from store.inbox import process_visible
from store.tables.office import Document
from store.tables.processes import Process
from store.users import Viewer

router = APIRouter(tags=["documents"])
BEHALF = DocumentRequest(
    code="on_behalf", title=Text(zh="代办委托扫描件", en="Scan of the request"), accept=["pdf", "png", "jpg", "jpeg"]
)
_ZIP, _OLE = (b"PK\x03\x04",), (b"\xd0\xcf\x11\xe0",)
_MAGIC: dict[str, tuple[bytes, ...]] = {
    "pdf": (b"%PDF-",),
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpg": (b"\xff\xd8\xff",),
    "jpeg": (b"\xff\xd8\xff",),
    "xlsx": _ZIP,
    "docx": _ZIP,
    "xls": _OLE,
    "doc": _OLE,
}
_INSIDE = {"docx": "word/document.xml", "xlsx": "xl/workbook.xml"}  # what a package of this kind must hold
_TYPES = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xls": "application/vnd.ms-excel",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "doc": "application/msword",
    "csv": "text/csv",
}


async def read_limited(file: UploadFile) -> bytes:
    """The content, as long as it is not above the limit. TooLarge."""
    limit = get_settings().upload_limit_bytes
    content = await file.read(limit + 1)
    if len(content) > limit:
        size = limit // (1024 * 1024)
        raise TooLarge(
            Text(
                zh=f"文件超过 {size} MB，请压缩或拆分后再上传。",
                en=f"The file is larger than {size} MB: compress or split it.",
            )
        )
    return content


def clean_name(name: str) -> str:
    """A file name without folders and control characters, at most 120 characters."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    last = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip(" .")
    return last[-120:] or "file"


def checked_type(filename: str, content: bytes, accept: list[str]) -> str:
    """The media type. BadFile when suffix or content is not one of those accepted."""
    suffix = filename.rpartition(".")[2].lower()
    allowed = "、".join(accept)
    if suffix not in accept:
        raise BadFile(
            Text(
                zh=f"此处只接受 {allowed} 文件，请转换后再上传。", en=f"Only {', '.join(accept)} files are taken here."
            )
        )
    if not content:
        raise BadFile(Text(zh="文件是空的，请重新选择。", en="The file is empty: choose it again."))
    fits = content.startswith(_MAGIC[suffix]) if suffix in _MAGIC else b"\0" not in content[:4096]
    fits = fits and (suffix not in _INSIDE or _holds(content, _INSIDE[suffix]))
    if not fits:
        raise BadFile(
            Text(
                zh=f"文件内容不是有效的 {suffix}，请用原程序重新导出或扫描。",
                en=f"The content is not a valid {suffix}: export or scan it again.",
            )
        )
    return _TYPES.get(suffix, "application/octet-stream")


def _holds(content: bytes, member: str) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            return member in package.namelist()
    except zipfile.BadZipFile:
        return False


async def upload(
    s: AsyncSession,
    viewer: Viewer,
    task_id: str,
    code: str,
    filename: str,
    content: bytes,
    document_id: str | None = None,
) -> DocumentView:
    """Adds a document to an open task that the viewer may work on. NotFound, NotAllowed, TaskClosed, BadFile,
    DocumentsUnwritable.

    With a given `document_id` the same file sent again is the same document.
    """
    task, _ = await tasks.locked_task(s, viewer, task_id)
    permissions.require_work(viewer, task)
    await tasks.require_open(s, task)
    look = await views.lookup(s, viewer, [])
    permissions.require_free(viewer, task, look.users)
    request = _request(tasks.spec_of(task), code)
    filename = clean_name(filename)
    media_type = checked_type(filename, content, request.accept)
    if task.kind == "tax_payment.bill" and request is not BEHALF:
        await _readable_bill(filename, content, code)
    row = await stored_files.keep(
        s,
        viewer,
        content,
        filename=filename,
        media_type=media_type,
        code=code,
        process_id=task.process_id,
        task_id=task.id,
        document_id=document_id,
    )
    # A paper handed in again in a later round takes the place of the one that was returned.
    if task.kind in tasks.ONCE_PER_CASE:
        await s.execute(
            update(Document)
            .where(
                Document.process_id == task.process_id,
                Document.code == code,
                Document.task_id != task.id,
                Document.replaced_by.is_(None),
            )
            .values(replaced_by=row.id)
        )
    audit.record(s, viewer.username, "document.upload", row.id, task=task.id, code=code)
    return views.document_view(row)


async def _readable_bill(filename: str, content: bytes, code: str) -> None:
    """BadFile with the reader's own sentence. What is no bill would otherwise come to light as a failed step, far from
    whoever has the right file."""
    layout = applications.agency_files().bills["tax_office"]
    try:
        await asyncio.to_thread(read_bill, content, filename, layout)
    except UnreadableBill as error:
        raise BadFile(error.text, faults=[(f"/documents/{code}", "unreadable_bill", error.text)]) from error


def _request(spec: TaskSpec, code: str) -> DocumentRequest:
    for request in (*spec.documents, BEHALF):
        if request.code == code:
            return request
    codes = [d.code for d in spec.documents] + [BEHALF.code]
    raise BadFile(
        Text(
            zh=f"该任务没有编码为“{code[:40]}”的材料，可用：{'、'.join(codes)}。",
            en=f"The task asks for no document {code[:40]!r}; use one of: {', '.join(codes)}.",
        ),
        faults=[("/code", "unknown_document", Text(zh="材料编码无效。", en="Unknown document code."))],
    )


async def download(s: AsyncSession, viewer: Viewer, document_id: str) -> tuple[Document, bytes]:
    """A document of a case that the viewer may see, or one that the viewer uploaded. NotFound, DocumentDamaged,
    DocumentsUnreadable."""
    row = await s.get(Document, document_id)
    if row is None:
        raise NotFound
    if row.uploaded_by != viewer.username:
        of = await s.scalar(select(Process).where(Process.id == (row.process_id or ""), process_visible(viewer)))
        if of is None or (own_case.only_subject(viewer, of) and not await own_case.papers(s, viewer, [row])):
            raise NotFound
    content = stored_files.content_of(row)
    audit.record(s, viewer.username, "document.read", row.id)
    return row, content


def file_response(row: Document, content: bytes) -> Response:
    """As a download that no browser runs as a page; images and PDF may be shown."""
    shown = row.media_type in ("application/pdf", "image/png", "image/jpeg")
    # A browser's PDF viewer does not run in a sandbox; it is none of this site's pages and sees none of its cookies.
    box = "style-src 'unsafe-inline'" if row.media_type == "application/pdf" else "sandbox"
    return Response(
        content,
        media_type=row.media_type,
        headers={
            "Content-Disposition": f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(row.filename)}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": f"default-src 'none'; img-src 'self'; object-src 'self'; {box}",
            "Cache-Control": "private, no-store",
        },
    )


@router.post("/tasks/{task_id}/documents", status_code=201, summary="Upload a document", responses=stored_files.KEEPS)
async def post_document(
    viewer: CurrentViewer,
    task_id: str,
    file: Annotated[UploadFile, File()],
    code: Annotated[str, Form(max_length=80)],
) -> DocumentView:
    content = await read_limited(file)
    async with session() as s:
        return await upload(s, viewer, task_id, code, file.filename or "", content)


@router.get(
    "/documents/{document_id}", summary="Download a document", response_class=Response, responses=stored_files.GIVES
)
async def get_document(viewer: CurrentViewer, document_id: str) -> Response:
    async with session() as s:
        row, content = await download(s, viewer, document_id)
    return file_response(row, content)
