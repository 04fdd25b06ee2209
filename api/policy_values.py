"""The values of the rules in force: each with its source, how sure it is, until when it holds, and what brought it.

Invariants: reads only; what is shown are the texts that this process works by, the applied changes among them; words
that are no values (countries, glossary) are not shown here.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from api.permissions import require_role
from api.policy import READS, title_of, view_of
from api.problems import NotFound
from api.sign_in import CurrentViewer
from domain import policy_findings, policy_origin
from domain.calendar_changes import CALENDAR
from domain.policy import DEADLINES, PolicyError
from domain.policy_changes import WORDS, plain
from domain.policy_findings import Value
from runtime import clock
from schemas.policy import ChangeKind, ChangeState, FileView, ValueHistory, ValueView
from store import policies, policy_changes
from store.database import reading
from store.users import Viewer

router = APIRouter(prefix="/policy", tags=["policy"])
_DAYS = ("valid_from", "valid_to", "published_on", "review_by")


async def files(s: AsyncSession, viewer: Viewer) -> list[FileView]:
    """The files that hold values of the law or of the school."""
    require_role(viewer, *READS)
    applied = [r.file for r in await policy_changes.listed(s, ChangeState.APPLIED.value)]
    texts = policies.texts()
    found: list[FileView] = []
    for name in sorted(set(texts) - set(WORDS)):
        views = values(name)
        columns = next(iter(views)).fields if name.endswith(".csv") and views else {}
        found.append(
            FileView(
                file=name,
                title=title_of(name),
                values=len(views),
                samples=sum(v.sample for v in views),
                overdue=sum(v.review_overdue for v in views),
                changed=applied.count(name),
                columns=list(columns),
            )
        )
    return found


def unfit() -> list[int]:
    """The applied changes that fit the files no more: while there is one, the rules cannot be read."""
    try:
        return [c.id for m in policies.misfits() for c in m.changes]
    except PolicyError:  # a file is no text
        return []


def raw_values(name: str) -> list[Value]:
    """The values of one file as they are in force. NotFound."""
    texts = policies.texts()
    if name not in texts or name in WORDS:
        raise NotFound
    return policy_findings.values(name, texts)


def values(name: str) -> list[ValueView]:
    """The values of one file for people. NotFound."""
    return [_view(v) for v in raw_values(name)]


def _view(value: Value) -> ValueView:
    said: dict[str, Any] = plain(value.said)
    brought_by = policy_origin.origin(value, policies.in_force())
    return ValueView(
        file=value.file,
        key=value.key,
        fields=plain(value.fields),
        source=str(said.get("source") or ""),
        confidence=str(said.get("confidence") or ""),
        sample=policy_findings.is_sample(value),
        review_overdue=policy_findings.review_overdue(value, clock.today()),
        change=kind_for(value),
        change_id=brought_by.id if brought_by is not None else None,
        **{f: str(said[f]) if said.get(f) else None for f in _DAYS},
    )


def kind_for(value: Value) -> ChangeKind:
    """How a value is changed: dated ones by a row beside them, a year by its publication, a published one by days."""
    if value.file == CALENDAR:
        return ChangeKind.YEAR if value.fields.get("provisional") else ChangeKind.DAY
    if value.file == DEADLINES:  # its fields are changed, from a day on where one is given
        return ChangeKind.FIELDS
    return ChangeKind.ROW if value.dated or value.file.endswith(".csv") else ChangeKind.FIELDS


async def history(s: AsyncSession, viewer: Viewer, name: str, key: str) -> ValueHistory:
    """One value with what holds at other times, and every change of it. NotFound."""
    require_role(viewer, *READS)
    all_values = raw_values(name)
    mine = [v for v in all_values if v.key == key]
    if not mine:
        raise NotFound
    of_series = policy_origin.series(mine[-1], all_values)
    rows = await policy_changes.listed(s, file=name)
    touching = [r for r in rows if any(policy_origin.brought(policy_changes.change_of(r), v) for v in of_series)]
    return ValueHistory(
        value=_view(mine[-1]),
        series=[_view(v) for v in of_series],
        changes=[view_of(viewer, r) for r in touching],
    )


@router.get("/files", summary="The files of the rules")
async def get_files(viewer: CurrentViewer) -> list[FileView]:
    async with reading() as s:
        return await files(s, viewer)


@router.get("/files/{file}", summary="The values of one file with their sources")
async def get_values(viewer: CurrentViewer, file: str) -> list[ValueView]:
    require_role(viewer, *READS)
    return values(file)


@router.get("/files/{file}/value", summary="One value, what holds at other times, and its changes")
async def get_history(
    viewer: CurrentViewer, file: str, key: Annotated[str, Query(max_length=200, examples=["steps[materials]"])] = ""
) -> ValueHistory:
    async with reading() as s:
        return await history(s, viewer, file, key)
