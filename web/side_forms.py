"""The forms beside a task's answer: returning, passing on, copies, commands of a case, dates. One that was refused
comes back open and as it was typed, with the sentence at its field.

Invariants: a form reads its fields by the names of the API's body; the sentence also stands above the page, for those
who cannot see where the form is. A key goes again only where there was no answer, so that what may have been done is
not done twice. No page can put a chosen file back: the form says that it is to be chosen again.
"""

from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData

from api.problems import BadForm, Problem, Unavailable, faults_of
from schemas.base import Text
from web.frame import Visit, sentence

B = TypeVar("B", bound=BaseModel)
REASON = Text(zh="请写明理由（至少两个字）。", en="Say why, in two characters at least.")
_TOO_LITTLE = ("missing", "string_too_short")
_CALLED = {"usernames": "person", "document_id": "file", "way": "target"}  # field of a body -> that of the form
_TARGET = "return"  # the one form in which `to` is the step that was chosen, not a person


@dataclass(frozen=True)
class SideForm:
    """The form that was refused; by default none was."""

    name: str = ""
    typed: dict[str, str] = field(default_factory=dict[str, str])
    faults: dict[str, str] = field(default_factory=dict[str, str])
    said: str = ""
    status: int = 200

    def value(self, form: str, name: str, otherwise: object = "") -> str:
        """What was typed into a field of this form, or what it begins with."""
        return self.typed.get(name, "") if form == self.name and name in self.typed else str(otherwise)

    def fault(self, form: str, name: str) -> str:
        return self.faults.get(name, "") if form == self.name else ""


NONE_REFUSED = SideForm()


def refused(visit: Visit, name: str, form: FormData, problem: Problem) -> SideForm:
    """The form as it comes back."""
    again = isinstance(problem, Unavailable)
    typed = {k: v for k, v in form.items() if isinstance(v, str) and k != "csrf" and (k != "key" or again)}
    faults: dict[str, str] = {}
    for pointer, _, text in problem.faults:
        part = pointer.split("/")[1] if "/" in pointer else ""
        at = "target" if (name, part) == (_TARGET, "to") else _CALLED.get(part, part)
        faults.setdefault(at, sentence(visit, text))
    return SideForm(name, typed, faults, sentence(visit, problem.text), problem.status)


def body_of(model: type[B], form: FormData, **given: object) -> B:
    """The API's body from a page's form: its fields by name, and what is given here. BadForm."""
    values = {name: form.get(name) for name in model.model_fields if form.get(name) not in (None, "")}
    try:
        return model.model_validate(values | given)
    except ValidationError as error:
        faults = [
            (pointer, code, REASON if pointer in ("/reason", "/note") and code in _TOO_LITTLE else text)
            for pointer, code, text in faults_of(error.errors())
        ]
        raise BadForm(REASON if faults[0][2] is REASON else None, faults=faults) from error
