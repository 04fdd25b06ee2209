"""Base models: `Payload` for what Temporal carries, `Body` for what HTTP carries, and bilingual text.

`Payload` ignores unknown fields (an old worker must read a newer payload); `Body` refuses them (a caller's typing
mistake must not be swallowed) and takes text without the blanks around it, so that blanks alone are no reason and no
name.
"""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Payload(BaseModel):
    """A model in a workflow history. Add fields only with defaults; never personal data."""

    model_config = ConfigDict(extra="ignore", frozen=False)


class Body(BaseModel):
    """A model in an HTTP request or answer."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Text(BaseModel):
    """One sentence in the two languages of the product; `zh` is the one that must read well."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    zh: str
    en: str

    def __str__(self) -> str:
        return self.zh


Role = Annotated[str, Field(description="clerk|supervisor|head|payroll|finance|college|employee|auditor|admin|policy")]
ROLES = ("clerk", "supervisor", "head", "payroll", "finance", "college", "employee", "auditor", "admin", "policy")
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)  # lint: allow law-number - where dates of ours lie, no rule
Day = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]
Month = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", examples=["2026-11"])]
