"""Refuses a query parameter that an address does not know, for the whole API: with a filter misspelt, all would show.

Invariants: what is known is what endpoint and dependencies declare, so the API's own description lists it, and `lang`,
which chooses the words of every answer. Who is not signed in hears that first, where a room asks for it.
Pages refuse nothing: their addresses carry names of their own (`said`, `saved`), and what nobody knows is said above
the list, which stands without it (`web/frame.py`).
"""

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Cookie, Header, Path

from api.problems import Problem
from api.sign_in import current_identity
from schemas.base import Text

LANGUAGE = "lang"
_SHOWN = 40  # characters of a name that is nobody's


class UnknownParameter(Problem):
    status, code = 422, "unknown_parameter"

    def __init__(self, unknown: list[str], known: list[str]) -> None:
        super().__init__(
            unknown_name(unknown[0], known),
            faults=[(f"/query/{n[:_SHOWN]}", self.code, unknown_name(n, known)) for n in unknown],
        )


def unknown_name(name: str, known: list[str]) -> Text:
    """The sentence for a name that nobody knows here, with those that are known."""
    return Text(
        zh=f"没有“{name[:_SHOWN]}”这个查询参数，请检查拼写；可用：{'、'.join(known)}。",
        en=f"There is no query parameter {name[:_SHOWN]!r} here: check how it is spelt. Known: {', '.join(known)}.",
    )


def names(request: Request) -> tuple[list[str], list[str]]:
    """The query parameters that nobody knows here, and those that are known."""
    fields = get_flat_params(request.scope["route"].dependant)
    known = [f.alias for f in fields if not isinstance(f.field_info, Cookie | Header | Path)]
    return [name for name in dict.fromkeys(request.query_params) if name not in (*known, LANGUAGE)], known


def _asks_who(dependant: Dependant) -> bool:
    """Whether the room is for those who are signed in."""
    return any(d.call is current_identity or _asks_who(d) for d in dependant.dependencies)


async def known_only(request: Request) -> None:
    """Dependency of all rooms: NotSignedIn, UnknownParameter."""
    if not request.query_params:
        return
    unknown, known = names(request)
    if unknown:
        if _asks_who(request.scope["route"].dependant):
            await current_identity(request)
        known += [LANGUAGE] if LANGUAGE not in known else []
        raise UnknownParameter(unknown, known)
