"""Comments on a task, with @mentions and an attachment.

Invariants: a mentioned person is told once and must be able to open the task; messages carry no text of the comment
(what is typed may be personal, and a message can leave the house by mail). An attachment is checked like every upload.
"""

import re
from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import StringConstraints
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api import own_case, people_named, permissions, stored_files, uploads, views
from api.json_body import JsonObjectRoute
from api.problems import NotAllowed, NotFound
from api.sign_in import CurrentViewer
from runtime import clock
from schemas.api import CommentBody, CommentView
from schemas.base import Text
from store import audit, cases, documents, inbox, inbox_events, messages
from store.database import session
from store.tables.office import Document
from store.tables.people import User
from store.tables.processes import Comment, Process, Task
from store.users import Viewer

router = APIRouter(tags=["tasks"], route_class=JsonObjectRoute)
ATTACHMENT = "attachment"
_AT = re.compile(r"(?<![A-Za-z0-9._-])[@＠]")  # an address of a mail mentions nobody
_WORD = re.compile(r"^\w{1,40}")
ONLY_ASKED = Text(
    zh="您只能在需要您本人办理的任务上留言。", en="You can comment on a task only while you are asked to do it."
)
NO_MENTION = Text(
    zh="您的留言由经办人员查看，不能@提醒他人，请去掉@后再发送。",
    en="Your comment is read by the office; nobody else can be mentioned: take out the @ and send it again.",
)
ACCEPT = ["pdf", "png", "jpg", "jpeg", "docx", "xlsx", "doc", "xls", "csv"]


async def comment(
    s: AsyncSession, viewer: Viewer, task_id: str, body: CommentBody, file: tuple[str, bytes] | None = None
) -> CommentView:
    """Adds a comment. Who reads it: who sees the task; whom it is about, as `own_case.py` says. NotFound, NotAllowed,
    BadForm for a mention, BadFile."""
    found = await inbox.find(s, viewer, task_id)
    if found is None:
        raise NotFound
    task, process = found
    only_subject = own_case.only_subject(viewer, process)
    if not permissions.may_comment(viewer, task, only_subject=only_subject):
        raise NotAllowed(ONLY_ASKED if only_subject else None)
    people, nobody = await _mentioned(s, task, body)
    if people and only_subject:
        raise people_named.refused("/mentions", "may_not_mention", NO_MENTION)
    row = Comment(
        task_id=task.id,
        process_id=process.id,
        author=viewer.username,
        text=body.text,
        mentions=[p.username for p in people],
        at=clock.now(),
    )
    s.add(row)
    await s.flush()
    audit.record(s, viewer.username, "task.comment", task.id, mentions=row.mentions)
    attached = [await _attach(s, viewer, task, row.id, *file)] if file is not None else []
    for person in people:
        if person.username != viewer.username:
            await _tell(s, viewer, person, task, process, row.id)
    await inbox_events.tell(s, process.id)
    look = await views.lookup(s, viewer, [])
    return _view(row, attached, look).model_copy(update={"not_found": nobody})


async def _attach(
    s: AsyncSession, viewer: Viewer, task: Task, comment_id: int, filename: str, content: bytes
) -> Document:
    name = uploads.clean_name(filename)
    media_type = uploads.checked_type(name, content, ACCEPT)
    row = await stored_files.keep(
        s,
        viewer,
        content,
        filename=name,
        media_type=media_type,
        code=ATTACHMENT,
        process_id=task.process_id,
        task_id=task.id,
    )
    row.comment_id = comment_id
    audit.record(s, viewer.username, "document.upload", row.id, task=task.id, code=ATTACHMENT)
    return row


async def _mentioned(s: AsyncSession, task: Task, body: CommentBody) -> tuple[list[Viewer], list[str]]:
    """The people named in the body or by `@name` in the text, each once, and the words after an @ that name nobody.
    BadForm for one who may not open the task."""
    logins, nobody = await _named(s, body.text)
    names = dict.fromkeys([*body.mentions, *logins])
    found: list[Viewer] = []
    for name in names:
        person = await people_named.active(s, name, "/mentions")
        if await inbox.find(s, person, task.id) is None:
            text = Text(
                zh=f"{person.name.zh}无权查看该任务，不能@提醒。",
                en=f"{person.name.en} may not see this task: no mention.",
            )
            raise people_named.refused("/mentions", "may_not_see", text)
        found.append(person)
    return found, nobody


async def _named(s: AsyncSession, text: str) -> tuple[list[str], list[str]]:
    """Logins meant by `@login` or `@name`, and what names nobody; after each @ the longest name that fits counts.
    BadForm for namesakes."""
    after = [part for part in _AT.split(text)[1:] if part]
    if not after:
        return [], []
    rows = await s.execute(select(User.username, User.name_zh, User.name_en).where(User.active))
    by_name: dict[str, set[str]] = {}
    for username, zh, en in rows:
        for name in {username, zh, en}:
            by_name.setdefault(name.casefold(), set()).add(username)
    logins: list[str] = []
    nobody: list[str] = []
    for part in after:
        start = part.casefold()
        fits = [name for name in by_name if start.startswith(name) and _ends(start, name)]
        if not fits:
            nobody += _WORD.findall(part)[:1]
            continue
        best = max(fits, key=len)
        if len(by_name[best]) > 1:
            them = sorted(by_name[best])
            said = Text(
                zh=f"有 {len(them)} 人同名“{best}”，请改用登录名：@{'、@'.join(them)}。",
                en=f"{len(them)} people are called {best!r}: use the login, @{', @'.join(them)}.",
            )
            raise people_named.refused("/mentions", "namesakes", said)
        logins += [*by_name[best]]
    return logins, list(dict.fromkeys(nobody))


def _ends(text: str, name: str) -> bool:
    """Whether the name ends there: `@clerk2` does not mean `clerk`; Chinese names need no blank after them."""
    rest = text[len(name) :]
    return not (
        rest
        and name[-1].isascii()
        and name[-1].isalnum()
        and rest[0].isascii()
        and (rest[0].isalnum() or rest[0] == "_")
    )


async def _tell(s: AsyncSession, viewer: Viewer, person: Viewer, task: Task, process: Process, comment_id: int) -> None:
    about = messages.subject_of(process, task)
    words = Text(
        zh=f"{viewer.name.zh}在批注中提到您：{about.zh}", en=f"{viewer.name.en} mentioned you in a comment: {about.en}"
    )
    await messages.notify(
        s,
        await s.get_one(User, person.username),
        words,
        key=f"mention/{comment_id}/{person.username}",
        link=f"/tasks/{task.id}#comments",
        process_id=process.id,
        task_id=task.id,
        now=clock.now(),
        lasting=True,  # what is asked in it is not answered by the end of the task
    )


async def of_task(s: AsyncSession, task: Task, process: Process, look: views.Lookup) -> list[CommentView]:
    """The comments of a task that the viewer reads, with their attachments, oldest first."""
    rows = await cases.comments_of(s, task.id)
    if own_case.only_subject(look.viewer, process):
        rows = own_case.comments(look.viewer, rows)
    files = await documents.of_comments(s, task.id)
    return [_view(row, files.get(row.id, []), look) for row in rows]


def _view(row: Comment, files: Iterable[Document], look: views.Lookup) -> CommentView:
    return CommentView(
        id=row.id,
        author=row.author,
        author_name=look.users.get(row.author),
        text=row.text,
        mentions=[look.users.get(name, Text(zh=name, en=name)) for name in row.mentions],
        attachments=[views.document_view(d) for d in files],
        at=row.at,
    )


@router.post("/tasks/{task_id}/comment", status_code=201, summary="Comment; `@name` tells that person")
async def post_comment(viewer: CurrentViewer, task_id: str, body: CommentBody) -> CommentView:
    async with session() as s:
        return await comment(s, viewer, task_id, body)


@router.post(
    "/tasks/{task_id}/attachments", status_code=201, summary="Comment with a file", responses=stored_files.KEEPS
)
async def post_attachment(
    viewer: CurrentViewer,
    task_id: str,
    file: Annotated[UploadFile, File()],
    text: Annotated[str, StringConstraints(strip_whitespace=True), Form(min_length=1, max_length=2000)],
) -> CommentView:
    content = await uploads.read_limited(file)
    async with session() as s:
        return await comment(s, viewer, task_id, CommentBody(text=text), (file.filename or "", content))
