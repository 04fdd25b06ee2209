"""Files: rows in PostgreSQL, contents encrypted below the data folder.

Invariants: the file is complete on disk before its row is committed (a crash leaves an orphan file, never a row without
content; what could not be written to its end leaves nothing); a replaced document stays, marked with its successor.
What the disk refuses leaves here under a name of its own. What kind of file is allowed is checked in the API.
"""

import errno
import hashlib
import os
import uuid
from datetime import datetime
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from runtime.crypto import KeyUnusable, keyring
from runtime.settings import get_settings
from store.tables.office import Document
from store.tables.processes import Task

MATERIALS = "enrolment.materials"  # the task that asks for the papers of a person


FULL = (errno.ENOSPC, errno.EDQUOT)


class DocumentMissing(LookupError):
    """There is no such document, or its file is gone or is not what was stored."""


class DocumentsUnreadable(Exception):
    """The file is there, as far as one can see, and the disk or its rights do not let it be read."""


class DocumentsUnwritable(Exception):
    """The documents' folder takes no file. `full`: for want of room, otherwise of rights, or the disk is at fault."""

    def __init__(self, error: OSError) -> None:
        self.full = error.errno in FULL
        super().__init__(errno.errorcode.get(error.errno or 0, "OSError"))


def _root() -> Path:
    return get_settings().documents_dir


def write_file(document_id: str, content: bytes) -> str:
    """Encrypts and writes; returns the path below the documents' folder. DocumentsUnwritable."""
    relative = f"{document_id[:2]}/{document_id}.bin"
    target = _root() / relative
    part = target.with_suffix(f".{os.getpid()}.part")
    sealed = keyring().cipher("documents").encrypt(content)
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with open(part, "wb") as out:
                out.write(sealed)
                out.flush()
                os.fsync(out.fileno())
            part.replace(target)
        except OSError:
            part.unlink(missing_ok=True)  # half a file would take the room that is missing
            raise
    except OSError as error:
        raise DocumentsUnwritable(error) from error
    return relative


async def store(
    session: AsyncSession,
    content: bytes,
    *,
    filename: str,
    media_type: str,
    code: str,
    uploaded_by: str,
    now: datetime,
    process_id: str | None = None,
    task_id: str | None = None,
    document_id: str | None = None,
    replaces: bool = False,
) -> Document:
    """Keeps a file. With a given `document_id` a second call changes nothing (activities that are retried).
    DocumentsUnwritable.

    `replaces` marks earlier documents of the same process and code as replaced.
    """
    document_id = document_id or str(uuid.uuid4())
    known = await session.get(Document, document_id)
    if known is not None:
        return known
    row = Document(
        id=document_id,
        process_id=process_id,
        task_id=task_id,
        code=code,
        filename=filename,
        media_type=media_type,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        path=write_file(document_id, content),
        uploaded_by=uploaded_by,
        uploaded_at=now,
    )
    session.add(row)
    await session.flush()
    if replaces and process_id is not None:
        await session.execute(
            update(Document)
            .where(
                Document.process_id == process_id,
                Document.code == code,
                Document.id != document_id,
                Document.replaced_by.is_(None),
            )
            .values(replaced_by=document_id)
        )
    return row


def read_file(row: Document) -> bytes:
    """The clear content. DocumentMissing when the file is gone or is not what was stored, DocumentsUnreadable."""
    try:
        content = keyring().cipher("documents").decrypt((_root() / row.path).read_bytes())
    except (FileNotFoundError, KeyUnusable) as error:
        raise DocumentMissing(row.id) from error
    except OSError as error:
        raise DocumentsUnreadable(row.id) from error
    if hashlib.sha256(content).hexdigest() != row.sha256:
        raise DocumentMissing(row.id)
    return content


async def read(session: AsyncSession, document_id: str) -> tuple[Document, bytes]:
    """Row and content. DocumentMissing, DocumentsUnreadable."""
    row = await session.get(Document, document_id)
    if row is None:
        raise DocumentMissing(document_id)
    return row, read_file(row)


async def of_process(session: AsyncSession, process_id: str) -> list[Document]:
    """All documents of a case that were not replaced, oldest first."""
    rows = await session.scalars(
        select(Document)
        .where(Document.process_id == process_id, Document.replaced_by.is_(None))
        .order_by(Document.uploaded_at, Document.id)
    )
    return list(rows)


async def papers(session: AsyncSession, process_id: str) -> list[str]:
    """The papers that the college has brought for a case, as code and hash of each."""
    rows = await session.execute(
        select(Document.code, Document.sha256, Task.spec)
        .join(Task, Task.id == Document.task_id)
        .where(Task.process_id == process_id, Task.kind == MATERIALS, Document.replaced_by.is_(None))
    )
    return sorted(f"{code} {sha}" for code, sha, spec in rows if code in {d["code"] for d in spec["documents"]})


async def latest(session: AsyncSession, process_id: str, code: str) -> Document | None:
    """The newest document of this code in a case."""
    return await session.scalar(
        select(Document)
        .where(Document.process_id == process_id, Document.code == code, Document.replaced_by.is_(None))
        .order_by(Document.uploaded_at.desc())
        .limit(1)
    )


async def of_comments(session: AsyncSession, task_id: str) -> dict[int, list[Document]]:
    """Attachments of a task's comments, by comment."""
    rows = await session.scalars(
        select(Document)
        .where(Document.task_id == task_id, Document.comment_id.is_not(None))
        .order_by(Document.uploaded_at, Document.id)
    )
    found: dict[int, list[Document]] = {}
    for row in rows:
        found.setdefault(int(row.comment_id or 0), []).append(row)
    return found
