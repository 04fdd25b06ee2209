"""Many cases at once: suspend, resume or cancel with one reason, and what became of each.

Invariants: the same command as on a single case's page; keys are made when the form is drawn, so that a reload or a
double click gives no command twice.
"""

from uuid import uuid4

from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.responses import Response

from api import already, processes, views
from api import batch as room
from api.permissions import process_actions
from api.problems import BadForm, NotFound, Problem
from schemas.api import ProcessItem
from schemas.base import Text
from schemas.batch import BatchResult, CaseBatch
from store import cases
from store.database import reading
from web.frame import Guest, Visit, page, posted, sentence
from web.pages.batch import chosen, said
from web.pages.inbox import back_to
from web.routes import router as make_router
from web.side_forms import REASON

router = make_router()


@router.post("/batch/cases")
async def choose(visit: Guest) -> Response:
    """The chosen cases, and the reason to be given."""
    form = await posted(visit)
    return await _show(visit, form, _action(form), chosen(form, "case"))


@router.post("/batch/cases/run")
async def run(visit: Guest) -> Response:
    """Does it, and says what became of each."""
    form = await posted(visit)
    action, ids = _action(form), chosen(form, "case")
    batch = str(form.get("batch") or uuid4().hex)[:60]
    try:
        body = CaseBatch.model_validate(
            {
                "action": action,
                "items": [{"id": c, "key": f"{batch}-{c}"} for c in ids],
                "reason": " ".join(str(form.get("reason") or "").split())[:500],
                "ground": str(form.get("ground") or "other"),
            }
        )
    except ValidationError:
        return await _show(visit, form, action, ids, problem=BadForm(REASON))
    return await _show(visit, form, action, [], result=await room.run_cases(visit.viewer, body, visit.lang))


def _action(form: FormData) -> str:
    action = str(form.get("action") or "")
    if action not in processes.COMMANDS:
        raise NotFound
    return action


async def _show(
    visit: Visit,
    form: FormData,
    action: str,
    ids: list[str],
    result: BatchResult | None = None,
    problem: Problem | None = None,
) -> Response:
    able, others = await _items(visit, action, ids)
    return await page(
        visit,
        "batch_cases.html",
        problem.status if problem else 200,
        action=action,
        items=able,
        left_out=len(ids) - len(able),
        others=others,
        result=result,
        said_of=said,
        sentence=sentence(visit, problem.text) if problem else "",
        typed={name: str(form.get(name) or "") for name in ("reason", "ground")},
        back=back_to(str(form.get("back") or "/cases")),
        batch=uuid4().hex,
    )


async def _items(
    visit: Visit, action: str, ids: list[str]
) -> tuple[list[ProcessItem], list[tuple[ProcessItem, Text | None]]]:
    """Those of the chosen that take the command, and the others with why not, where their state says it."""
    async with reading() as s:
        found = [p for process_id in ids if (p := await cases.find(s, visit.viewer, process_id)) is not None]
        look = await views.lookup(s, visit.viewer, [p.subject for p in found])
        holders = await cases.holders(s, [p.id for p in found])
        able: list[ProcessItem] = []
        others: list[tuple[ProcessItem, Text | None]] = []
        for p in found:
            item = views.process_item(p, look, holders.get(p.id, []))
            if action in process_actions(visit.viewer, item.kind, item.state, item.flags):
                able.append(item)
            else:
                others.append((item, await already.standing(s, p, action)))
        return able, others
