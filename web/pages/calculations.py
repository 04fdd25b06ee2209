"""The calculators: a list, and for each calculation a form drawn from its JSON Schema with the answer beside it.

Invariants: the page computes by the same function as `POST /api/v1/calculations/{name}`; nothing that is typed is
stored; the form starts with the working example of the schema.
"""

from typing import Any, cast

from starlette.responses import Response

from api import calculations as room
from api.problems import Problem
from domain.calculations import Calculation
from schemas.api import Fault
from web import calculation_view, forms
from web.calculation_view import AnswerView
from web.frame import Guest, Visit, page, posted, sentence, values_of
from web.routes import router as make_router

router = make_router()


@router.get("/calculations")
async def calculations(visit: Guest) -> Response:
    """All calculations."""
    return await page(visit, "calculations.html", items=room.listed().items)


@router.get("/calculations/{name}")
async def calculator(visit: Guest, name: str) -> Response:
    """The form of one calculation, filled with its example."""
    found = room.find(name)
    return await _page(visit, found, found.examples[0])


@router.post("/calculations/{name}")
async def compute(visit: Guest, name: str) -> Response:
    """Computes what was typed, or says which field is wrong."""
    form = await posted(visit)
    found = room.find(name)
    schema = found.input.model_json_schema()
    data = forms.read(schema, values_of(form))
    places = forms.unreadable(schema, data)
    if places:
        faults = [
            Fault(
                pointer=f"/{field}",
                code="json_invalid",
                message=visit.t("json_fault", line=error.lineno, column=error.colno),
            )
            for field, error in places.items()
        ]
        return await _page(visit, found, data, faults=faults, status=422)
    given = {k: v for k, v in data.items() if v is not None or k in schema.get("required", [])}
    try:
        answer = room.compute_from(found, given)
    except Problem as problem:
        faults = [f for f in problem.view(visit.lang).errors if f.pointer]
        said = "" if faults else sentence(visit, problem.text)
        return await _page(visit, found, data, faults=faults, said=said, status=problem.status)
    shown = calculation_view.view(answer, found.output.model_json_schema(mode="serialization"), visit.lang)
    return await _page(visit, found, data, shown=shown)


async def _page(
    visit: Visit,
    found: Calculation[Any, Any],
    data: dict[str, Any],
    *,
    faults: list[Fault] | None = None,
    said: str = "",
    shown: AnswerView | None = None,
    status: int = 200,
) -> Response:
    schema = cast("dict[str, Any]", found.input.model_json_schema())
    return await page(
        visit,
        "calculation.html",
        status,
        calculation=found,
        fields_shown=forms.fields_of(schema, data, {}, visit.lang, faults or []),
        fault_list=forms.said(schema, faults or [], visit.lang),
        sentence=said,
        answer=shown,
    )
