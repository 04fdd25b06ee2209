"""Files on their way to the disk and back: what it refuses, as people and programs read it, with whom to ask.

Invariant: whatever an upload belongs to (a task, a case, a comment), it is kept and read here, so that a folder that is
full, closed or damaged has the same name and sentence everywhere. What kind of file is allowed is checked before.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import Problem
from runtime.clock import now
from runtime.logging import logger
from schemas.base import Text
from store import documents
from store.tables.office import Document
from store.users import Viewer

log = logger(__name__)
# For the API's description of whatever takes or gives a file.
KEEPS: dict[int | str, dict[str, Any]] = {
    503: {"description": "`documents_unwritable`: full, or not writable; nothing was kept, an administrator mends it."}
}
GIVES: dict[int | str, dict[str, Any]] = {
    404: {"description": "`not_found`, or `document_damaged`: its content is gone or is not what was stored."},
    503: {"description": "`documents_unreadable`: the folder or its disk cannot be read; an administrator mends it."},
}


class DocumentsUnwritable(Problem):
    status, code = 503, "documents_unwritable"

    def __init__(self, full: bool) -> None:
        why = (
            Text(zh="存放文件的磁盘已满", en="the disk for documents is full")
            if full
            else Text(zh="存放文件的目录无法写入", en="the folder for documents cannot be written to")
        )
        super().__init__(
            Text(
                zh=f"文件未能保存：{why.zh}。已填写和已保存的内容没有丢失；请联系系统管理员处理后再上传。",
                en=f"The file was not kept: {why.en}. What is typed and what is stored is not lost: ask the "
                "administrator to mend it, then upload again.",
            )
        )


class DocumentsUnreadable(Problem):
    status, code = 503, "documents_unreadable"
    text = Text(
        zh="文件暂时无法读取：系统没有权限访问存放文件的目录，或磁盘有故障。文件没有被删除，请联系系统管理员处理。",
        en="The file cannot be read now: the system has no right to the folder for documents, or the disk is at fault. "
        "It was not deleted: ask the administrator to mend it.",
    )


class DocumentDamaged(Problem):
    status, code = 404, "document_damaged"
    text = Text(
        zh="文件内容缺失或已损坏，请联系系统管理员从备份恢复。",
        en="The file is gone or damaged: ask the administrator to restore it from a backup.",
    )


async def keep(
    s: AsyncSession,
    viewer: Viewer,
    content: bytes,
    *,
    filename: str,
    media_type: str,
    code: str,
    process_id: str,
    task_id: str | None = None,
    document_id: str | None = None,
) -> Document:
    """Stores what somebody uploaded, whatever it belongs to. DocumentsUnwritable."""
    try:
        return await documents.store(
            s,
            content,
            filename=filename,
            media_type=media_type,
            code=code,
            uploaded_by=viewer.username,
            now=now(),
            process_id=process_id,
            task_id=task_id,
            document_id=document_id,
        )
    except documents.DocumentsUnwritable as error:
        log.error("documents_unwritable", error=str(error))
        raise DocumentsUnwritable(error.full) from error


def content_of(row: Document) -> bytes:
    """What stands in a stored file. DocumentDamaged, DocumentsUnreadable."""
    try:
        return documents.read_file(row)
    except documents.DocumentMissing as error:
        raise DocumentDamaged from error
    except documents.DocumentsUnreadable as error:
        raise DocumentsUnreadable from error
