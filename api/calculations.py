"""Calculations by the rules in force: the list, the JSON Schemas of one, and the computing itself.

Each calculation has a route of its own, so that the API's description names its fields. Nothing is stored and nothing
of a person is read: what is computed comes with the request.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError

from api.json_body import JsonObjectRoute
from api.problems import BadForm, NotFound, Problem
from api.sign_in import CurrentViewer
from domain.calculations import CALCULATIONS, Calculation, Context, Refused, near
from domain.policy import PolicyError
from runtime import clock
from schemas.api import CalculationItem, CalculationList, CalculationSchema
from schemas.base import Text
from schemas.messages_of_fields import faults_of
from store import rule_tables

router = APIRouter(tags=["calculations"], route_class=JsonObjectRoute)


class NotComputable(Problem):
    """The rules hold no value for what was asked, or a rule file is broken."""

    status, code = 422, "not_computable"


def context() -> Context:
    """The rules in force and the installation's day."""
    return Context(rule_tables.rules(), clock.today())


def compute(calculation: Calculation[Any, Any], given: Any) -> Any:
    """The answer to a validated input. BadForm with the field where the input cannot be computed."""
    try:
        return calculation.run(given, context())
    except Refused as refused:
        raise BadForm(faults=[(refused.pointer, refused.code, refused.text)]) from refused
    except PolicyError as gap:
        raise NotComputable(gap.text, faults=[(calculation.pointer_of(gap), "no_value", gap.text)]) from gap


def compute_from(calculation: Calculation[Any, Any], data: Any) -> dict[str, Any]:
    """The answer, as JSON values, to an input that is not validated yet. BadForm names the fields."""
    try:
        given = calculation.input.model_validate(data)
    except ValidationError as error:
        raise BadForm(faults=faults_of(error.errors())) from error
    return compute(calculation, given).model_dump(mode="json")


def find(name: str) -> Calculation[Any, Any]:
    """The calculation of that name; NotFound that offers the nearest names."""
    found = CALCULATIONS.get(name)
    if found is None:
        names = near(name)
        raise NotFound(
            Text(
                zh=f"没有这个计算。您是否要找：{'、'.join(names)}？",
                en=f"There is no such calculation. Did you mean: {', '.join(names)}?",
            )
        )
    return found


def listed() -> CalculationList:
    """All calculations, in the order of the registry."""
    return CalculationList(
        items=[CalculationItem(name=c.name, title=c.title, summary=c.summary) for c in CALCULATIONS.values()]
    )


@router.get("/calculations")
async def list_calculations(viewer: CurrentViewer) -> CalculationList:
    del viewer
    return listed()


@router.get("/calculations/{name}")
async def calculation_schema(name: str, viewer: CurrentViewer) -> CalculationSchema:
    del viewer
    c = find(name)
    return CalculationSchema(name=c.name, title=c.title, summary=c.summary, **c.schemas(context()))


def _route(calculation: Calculation[Any, Any]) -> Callable[..., Awaitable[Any]]:
    async def run(data: Any, viewer: CurrentViewer) -> Any:
        del viewer
        return compute(calculation, data)

    run.__annotations__ = {"data": calculation.input, "viewer": CurrentViewer, "return": calculation.output}
    run.__name__ = "compute_" + calculation.name.replace("-", "_")
    return run


for _calculation in CALCULATIONS.values():
    router.post(
        f"/calculations/{_calculation.name}",
        summary=_calculation.title.en,
        description=f"{_calculation.summary.zh} {_calculation.summary.en}",
        response_model=_calculation.output,
    )(_route(_calculation))


@router.post("/calculations/{name}", include_in_schema=False)
async def unknown_calculation(name: str, viewer: CurrentViewer) -> None:
    del viewer
    find(name)
