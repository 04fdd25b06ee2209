"""Forms: what a person fills in to complete a task, one pydantic model per task kind and outcome.

A field marked `Personal` holds personal data (names, numbers, contact): it is stored with the answer in PostgreSQL and
never enters a workflow. `public_model` is the same form without these fields; the workflow's validator checks that one.
Each process registers its forms at import (`register`); the workflow, the API and the pages look them up by kind and
outcome, so that all three refuse the same things.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

from schemas.base import Text


@dataclass(frozen=True)
class PersonalMark:
    """Marks a form field as personal data: `Annotated[str, PERSONAL]`."""


PERSONAL = PersonalMark()


def label(zh: str, en: str, **extra: Any) -> dict[str, Any]:
    """`json_schema_extra` of a field: its label in both languages and hints for the page (`widget`, `help_zh`…;
    `hidden`: a code beside its words, which no page shows)."""
    return {"title_zh": zh, "title_en": en, **extra}


class Form(BaseModel):
    """Base of every form. Unknown fields are refused, so that nothing a clerk typed is silently lost."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @classmethod
    def personal_fields(cls) -> set[str]:
        return {name for name, info in cls.model_fields.items() if is_personal(info)}

    def public(self) -> dict[str, Any]:
        """The part that may travel through Temporal, as JSON values."""
        return self.model_dump(mode="json", exclude=self.personal_fields())


class EmptyForm(Form):
    """A confirmation without fields but a remark."""

    remark: str = Field(default="", max_length=500, json_schema_extra=label("备注", "Remark", widget="textarea"))


class ReasonForm(Form):
    """A decision that must say why."""

    reason: str = Field(
        min_length=2,
        max_length=500,
        examples=["情况属实"],
        json_schema_extra=label("理由", "Reason", widget="textarea"),
    )


def is_personal(info: FieldInfo) -> bool:
    return any(isinstance(m, PersonalMark) for m in info.metadata)


@cache
def public_model(form: type[Form]) -> type[BaseModel]:
    """The form without its personal fields: what the workflow's validator checks."""
    fields: dict[str, Any] = {
        name: (info.annotation, info) for name, info in form.model_fields.items() if not is_personal(info)
    }
    return create_model(f"{form.__name__}Public", __config__=ConfigDict(extra="forbid"), **fields)


@dataclass(frozen=True)
class Outcome:
    """One way to finish a task: the button's words, the form behind it, and whether it sends work back."""

    code: str
    title: Text
    form: type[Form]
    tone: str = "primary"  # primary | secondary | danger


_FORMS: dict[str, dict[str, Outcome]] = {}
_TITLES: dict[str, Text] = {}


def register(kind: str, title: Text, *outcomes: Outcome) -> None:
    """Registers a task kind: what such tasks are called together, and their outcomes; the first one leads forward."""
    _TITLES[kind] = title
    _FORMS[kind] = {o.code: o for o in outcomes}


def outcomes_of(kind: str) -> dict[str, Outcome]:
    """All outcomes that a task kind knows; KeyError where the kind is unknown."""
    return _FORMS[kind]


def outcome(kind: str, code: str) -> Outcome:
    return _FORMS[kind][code]


def kinds() -> list[str]:
    return sorted(_FORMS)


def kind_titles() -> dict[str, Text]:
    """What the tasks of each kind are called together; a single task says more (which agency, which month)."""
    return dict(_TITLES)
