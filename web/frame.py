"""One visit of a signed-in person, and how a template is filled for it.

Invariants: every page passes `page()`, so that menu, language, names and the policy of the browser (CSP) are the same
everywhere; every form post passes `Visit.check`, which compares its `csrf` with the session's.
"""

import secrets
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jinja2
from fastapi import Depends, Request, UploadFile
from starlette.datastructures import FormData
from starlette.datastructures import UploadFile as PlainUpload
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import notices as messages_room
from api import parameters
from api.case_names import called
from api.permissions import CHANNELS, HAND_IN, INCIDENT_DESK
from api.problems import CsrfMissing, NotSignedIn, language_of
from api.sign_in import identify
from runtime import clock
from runtime.addresses import page_of
from schemas.base import Text
from store import inbox_counts, users
from store.database import reading
from store.users import Viewer
from web import show
from web.assets import assets
from web.choices import document_titles
from web.forms import preset
from web.language import has, pick, translate

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
# What addresses of pages carry and no list is filtered by; `utm_` is what mail programs add to links.
OWN_NAMES, NOT_OURS = ("said", "saved", "import", "results", "list"), "utm_"
MOST_UNKNOWN, NAME_SHOWN = 3, 40
EVENTS = "/api/v1/events"
_OFFICE = ("clerk", "supervisor", "head", "payroll", "finance", "college", "admin", "auditor", "policy")
_MENU: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("inbox", "/inbox", ("clerk", "supervisor", "head", "payroll", "finance", "college", "admin", "auditor")),
    ("hand_in", "/agencies", HAND_IN),
    ("my", "/my", ("employee",)),
    ("board", "/board", ("clerk", "supervisor", "head", "auditor", "admin")),
    ("calendar", "/calendar", ("clerk", "supervisor", "head", "auditor", "admin")),
    ("figures", "/figures", ("supervisor", "head", "auditor", "admin")),
    ("incidents", "/incidents", INCIDENT_DESK),
    ("cases", "/cases", _OFFICE),
    ("start", "/start", ("clerk", "college")),
    ("cover", "/cover", _OFFICE),
    ("rules", "/rules", (*_OFFICE, "employee")),
    ("policy", "/policy", ("policy", "auditor", "admin", "supervisor", "head")),
    ("calculations", "/calculations", (*_OFFICE, "employee")),
    ("channels", "/channels", CHANNELS),
    ("messages", "/messages", (*_OFFICE, "employee")),
)


@dataclass(frozen=True)
class Visit:
    """Who looks, in which language, with which session."""

    request: Request
    lang: str
    viewer: Viewer
    csrf: str

    @property
    def here(self) -> str:
        """Path and query of this page, without a change of language."""
        return with_query(self.request.url.path, self.request.url.query, lang=None, said=None)

    @property
    def is_htmx(self) -> bool:
        return self.request.headers.get("hx-request") == "true"

    def t(self, key: str, **values: object) -> str:
        """The words of a key in this visit's language."""
        return translate(self.lang, key, **values)

    def check(self, form: FormData) -> None:
        """Refuses a form that this session did not make: CsrfMissing."""
        if not secrets.compare_digest(str(form.get("csrf") or ""), self.csrf):
            raise CsrfMissing()

    def go(self, path: str, said: str | None = None) -> Response:
        """The answer to a post that worked: the next page, with a short notice on it."""
        parts = urlsplit(path)
        target = with_query(parts.path, parts.query, said=said)
        if self.is_htmx:
            return Response(status_code=204, headers={"HX-Redirect": target})
        return RedirectResponse(target, status_code=303)


async def visit(request: Request) -> Visit:
    """The visit behind a request; NotSignedIn where there is none."""
    who = await identify(request)
    if who is None:
        raise NotSignedIn
    return Visit(request, language_of(request), who.viewer, who.csrf_token or "")


Guest = Annotated[Visit, Depends(visit)]


def with_query(path: str, query: str, **changes: str | None) -> str:
    """An address with some query values set (None removes one)."""
    values = {k: v for k, v in parse_qsl(query) if k not in changes}
    values |= {k: v for k, v in changes.items() if v}
    return f"{path}?{urlencode(values)}" if values else path


def words(lang: str) -> dict[str, Any]:
    """What every template may call, bound to a language and to the present, or the moment that is looked back at."""
    now, today = clock.now(), clock.today()

    def code(group: str, value: object) -> str:
        key = f"{group}_{str(value).replace('.', '_')}"
        return translate(lang, key) if has(key) else str(value)

    def actor(name: str) -> str:
        return code("role", name) if has(f"role_{name}") else name

    def roles(names: list[str]) -> str:
        return translate(lang, "list_comma").join(n[1:] if n.startswith("@") else code("role", n) for n in names)

    def case_name(case_no: str) -> str:
        """What people call a case: its number; a payment or a voucher by levy and month."""
        return pick(lang, called(case_no))

    def agencies(names: list[str]) -> str:
        """What a case waits for: authorities by their name, payments and vouchers by what people call them."""
        return translate(lang, "list_comma").join(case_name(n) if "-" in n else code("agency", n) for n in names)

    def paper(name: str) -> str:
        """The title of a stored document by its code."""
        title = document_titles(lang).get(name)
        return f"{name} {title}" if title else code("document", name)

    def numbered(name: str) -> str:
        """The number of a paper on the checklists; nothing for a paper that has none, whose code says nothing."""
        return name if name in document_titles(lang) else ""

    return {
        "lang": lang,
        "paper": paper,
        "numbered": numbered,
        "case_name": case_name,
        "known": lambda group, names: [n for n in names if has(f"{group}_{n}")],
        "t": partial(translate, lang),
        "tx": partial(pick, lang),
        "preset": partial(preset, lang=lang),
        "code": code,
        "actor": actor,
        "roles": roles,
        "agencies": agencies,
        "day": lambda value: show.show_day(lang, value, today),
        "short": lambda value: show.show_short(lang, value),
        "moment": show.show_moment,
        "at_input": show.at_input,
        "clock": show.show_clock,
        "money": show.show_money,
        "told_together": show.told_together,
        "cite": lambda value: show.cite(lang, pick(lang, value)),
        "size": show.show_size,
        "step_name": partial(show.step_name, lang),
        "left": lambda due_at, at=None: show.time_left(lang, due_at, at or now),
        "held": lambda since: show.held_for(lang, since, now),
        "asset": assets().url,
        "page_of": page_of,
    }


def home(viewer: Viewer) -> str:
    """The page a person comes for."""
    if viewer.has("clerk", "college", "payroll", "finance"):
        return "/inbox"
    if viewer.has("supervisor", "head", "auditor"):
        return "/board"
    if viewer.has("policy"):
        return "/policy"
    return "/my" if viewer.has("employee") else "/cases"


async def page(
    visit: Visit, template: str, status: int = 200, *, looked_at: datetime | None = None, **values: Any
) -> HTMLResponse:
    """A page in the frame: menu with counts, names of people, the notice of the last action. `looked_at`: what it shows
    is as it was at this moment; the frame around it is of now."""
    async with reading() as s:
        waiting = await inbox_counts.waiting(s, visit.viewer, clock.now())
        unread = await messages_room.unread(s, visit.viewer)
        names = await users.names(s)
    path = visit.request.url.path
    numbers = {"inbox": sum(waiting)}
    nav = [
        {
            "key": key,
            "href": href,
            "current": path == href or path.startswith(href + "/") or (key == "inbox" and path.startswith("/tasks/")),
            "count": numbers.get(key, 0),
        }
        for key, href, roles in _MENU
        if visit.viewer.has(*roles)
    ]
    said = visit.request.query_params.get("said", "")
    with clock.looking_back(looked_at) if looked_at is not None else nullcontext():
        spoken = words(visit.lang)
    context = {
        **spoken,
        "user": visit.viewer,
        "person": lambda name: pick(visit.lang, names[name]) if name in names else spoken["actor"](name or ""),
        "csrf": visit.csrf,
        "nav": nav,
        "events": EVENTS,
        "unread": unread,
        "here": visit.here,
        "looked_at": looked_at,
        "then": f"?{urlencode({'at': looked_at.isoformat()})}" if looked_at is not None else "",  # links stay in it
        "latest": show.at_input(clock.now()),
        "can_search": visit.viewer.has(*_OFFICE),
        "said": {"tone": "good", "text": visit.t(f"said_{said}")} if has(f"said_{said}") else None,
        "unknown_filter": unknown_filter(visit) if status < HTTPStatus.BAD_REQUEST else "",
        "other_language": with_query(
            path, visit.request.url.query, lang="en" if visit.lang == "zh" else "zh", said=None
        ),
    }
    return await bare(template, {**context, **values}, status)


def unknown_filter(visit: Visit) -> str:
    """What to say of names in the address that this list does not know: it stands as if they were not there."""
    if visit.request.method != "GET" or not visit.request.query_params:
        return ""
    unknown, known = parameters.names(visit.request)
    wrong = [n[:NAME_SHOWN] for n in unknown if n not in OWN_NAMES and not n.startswith(NOT_OURS)]
    if not wrong or not known:  # a page without filters ignores none
        return ""
    comma = visit.t("list_comma")
    return visit.t("unknown_filter", names=comma.join(wrong[:MOST_UNKNOWN]), known=comma.join(known))


async def bare(template: str, context: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """A template filled as it is."""
    return HTMLResponse(TEMPLATES.get_template(template).render(context), status)


async def posted(visit: Visit) -> FormData:
    """The form of a post, after its csrf value was checked."""
    form = await visit.request.form()
    visit.check(form)
    return form


def values_of(form: FormData) -> dict[str, list[str]]:
    """The text values of a form by name."""
    found: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            found.setdefault(name, []).append(value)
    return found


def file_of(form: FormData, name: str = "file") -> UploadFile | None:
    """The file of a form; None when nothing was chosen."""
    value = form.get(name)
    if not isinstance(value, PlainUpload) or not value.filename:
        return None
    return UploadFile(value.file, size=value.size, filename=value.filename, headers=value.headers)


def sentence(visit: Visit, text: Text) -> str:
    """A bilingual sentence in this visit's language."""
    return pick(visit.lang, text)
