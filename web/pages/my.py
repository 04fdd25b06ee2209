"""The employee's own record: the cases about this person, what is asked of them, notices."""

from starlette.responses import Response

from api import processes as room
from api import tasks as tasks_room
from schemas.api import ProcessQuery, TaskQuery
from store import notifications
from store.database import session
from web import amounts
from web.frame import Guest, page
from web.pages.case import columns_of
from web.routes import router as make_router

router = make_router()


@router.get("/my")
async def my(visit: Guest) -> Response:
    """Everything about the person behind this login; a login without a person sees that there is nothing yet."""
    subject = visit.viewer.person_id
    async with session() as s:
        found = await room.list_processes(s, visit.viewer, ProcessQuery(subject=subject)) if subject else None
        views = [await room.get_process(s, visit.viewer, item.id) for item in (found.items if found else [])]
        tasks = await tasks_room.list_tasks(s, visit.viewer, TaskQuery(view="group")) if subject else None
        found_amounts = await amounts.of_person(s, subject) if subject else []
        notices = await notifications.of_person(s, visit.viewer)
    cases = [
        {**v.model_dump(include={"id", "kind_title", "case_no", "state"}), "columns": columns_of(v.stages, [])}
        for v in views
    ]
    return await page(
        visit, "my.html", cases=cases, tasks=tasks.items if tasks else [], amounts=found_amounts, notices=notices
    )
