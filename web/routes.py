"""The route class of the pages: what the API says as a problem, a page says as a page.

Invariants: not signed in leads to the door and back; a problem that a page does not handle itself is shown as a
sentence in the frame, with the problem's own status; while the database is away it is a page that needs none.
"""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from markupsafe import escape
from starlette.responses import HTMLResponse, RedirectResponse

from api.problems import AWAY_SECONDS, BadForm, NotSignedIn, Problem, RulesUnreadable, Unavailable, language_of
from domain.policy import PolicyError
from schemas.base import Text
from schemas.messages_of_fields import message_of
from store.database import AWAY
from web.frame import bare, page, sentence, visit, words
from web.language import pick


class PageRoute(APIRoute):
    """Turns problems into pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await inner(request)
            except NotSignedIn:
                return door(request)
            except RequestValidationError as error:
                return await _said(request, BadForm(_unreadable(error)))
            except Problem as problem:
                return await _said(request, problem)
            except PolicyError as error:
                return await _said(request, RulesUnreadable(error.text))

        async def spoken(request: Request) -> Response:
            try:
                return await handler(request)
            except AWAY:
                return await _away(request)

        return spoken


def door(request: Request) -> Response:
    """To the sign-in page; back to where one wanted to go when that was only looking."""
    wanted = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    target = f"/sign-in?next={quote(wanted)}" if request.method == "GET" and wanted != "/" else "/sign-in"
    if request.headers.get("hx-request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": "/sign-in"})
    return RedirectResponse(target, status_code=303)


def bare_problem(text: str, status: int) -> Response:
    """A click within a page that did not work: the sentence above what is there, which stays as it was."""
    said = f'<div class="notice bad" role="alert">{escape(text)}</div>'
    return HTMLResponse(said, status, {"HX-Retarget": "#said", "HX-Reswap": "innerHTML", "HX-Reselect": ".notice"})


async def _said(request: Request, problem: Problem) -> Response:
    try:
        here = await visit(request)
    except NotSignedIn:
        return door(request)
    text = sentence(here, problem.text)
    if here.is_htmx:
        return bare_problem(text, problem.status)
    return await page(here, "error.html", problem.status, heading=here.t("error_title"), sentence=text, hint="")


def _unreadable(error: RequestValidationError) -> Text | None:
    """What is wrong with the address: which filter, and how it can be; of a choice also what was asked for."""
    detail = error.errors()[0]
    where, *rest = detail["loc"]
    if where != "query" or not rest:
        return None
    said = message_of(detail)  # pyright: ignore[reportArgumentType]
    given = f"={str(detail['input'])[:40]}" if detail["type"] in ("literal_error", "enum") else ""
    return Text(
        zh=f"地址中的“{rest[0]}{given}”无效：{said.zh}", en=f"{rest[0]}{given} in the address is not valid: {said.en}"
    )


async def _away(request: Request) -> Response:
    """The frame asks the database for menu and names: without it there is the sentence alone."""
    lang = language_of(request)
    problem = Unavailable()
    text = pick(lang, problem.text)
    if request.headers.get("hx-request") == "true":
        return bare_problem(text, problem.status)
    again = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    values = {**words(lang), "sentence": text, "again": again if request.method == "GET" else ""}
    answer = await bare("away.html", values, problem.status)
    answer.headers["Retry-After"] = AWAY_SECONDS
    return answer


def router() -> APIRouter:
    """A router for pages; they are no part of the API's description."""
    return APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)
