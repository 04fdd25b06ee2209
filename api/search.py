"""What is typed into a search box, turned into filters: words and receipts stay words, a number becomes a person.

Invariants: a number of a person is taken from a body, never from an address that we made; it is compared by its keyed
hash and then forgotten: filters, answers, logs and the audit trail carry the person's id.
"""

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from api import tasks
from api.json_body import JsonObjectRoute
from api.sign_in import CurrentViewer
from schemas.api import Answer, TaskPage, TaskQuery, TaskViewName
from schemas.base import Body
from store import number_search
from store.database import reading
from store.users import Viewer

router = APIRouter(tags=["tasks"], route_class=JsonObjectRoute)
NOBODY = "nobody"  # the subject of a number that nobody on record has


class SearchBody(Body):
    """`q`: name, pinyin, initials, case number, receipt number, or a full identity or agency number."""

    q: str = Field(min_length=1, max_length=100, examples=["anna"])
    view: TaskViewName = "all"


class Filters(Answer):
    """What the text means as filters of a list."""

    q: str | None = None
    subject: str | None = None
    unknown_number: bool = False


async def filters(s: AsyncSession, text: str) -> Filters:
    """The filters for a typed text. A number that nobody has gives a list without rows."""
    found = await number_search.meaning(s, text)
    if found.subject is not None:
        return Filters(subject=found.subject)
    if found.personal:
        return Filters(subject=NOBODY, unknown_number=True)
    return Filters(q=text.strip())


async def search_tasks(s: AsyncSession, viewer: Viewer, text: str, query: TaskQuery) -> TaskPage:
    """The tasks of a view that the typed text means."""
    made = await filters(s, text)
    given = made.model_dump(exclude={"unknown_number"}, exclude_none=True)
    return await tasks.list_tasks(s, viewer, query.model_copy(update={"q": None, **given}))


@router.post("/tasks/search", summary="Search tasks; a personal number belongs into this body, not into an address")
async def post_search(viewer: CurrentViewer, body: SearchBody) -> TaskPage:
    query = TaskQuery(view=body.view)
    async with reading() as s:
        return await search_tasks(s, viewer, body.q, query)
