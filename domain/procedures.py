"""Which documents, agencies, insurances and reasons of refusal go with a procedure for a category of person.

A look-up over dated data (`policies/procedures.yaml`): it asks for nothing and decides nothing. What a window asks
beyond this list wins, and is added to the data.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from domain.materials import RejectionReason, document_requests
from domain.policy import PolicyError
from schemas.base import Text
from schemas.deadlines import AgencyPolicy, ChecklistItem
from schemas.tasks import DocumentRequest


@dataclass(frozen=True)
class ProcedureDocument:
    """A document of a procedure; `categories` empty: of everybody."""

    item: ChecklistItem
    categories: tuple[str, ...]


@dataclass(frozen=True)
class Procedure:
    """One procedure. `insurances` None: those of the category; `documents` None: the category's enrolment checklist;
    `categories` empty: everybody who has one of the insurances."""

    id: str
    title: Text
    insurances: tuple[str, ...] | None
    categories: tuple[str, ...]
    documents: tuple[ProcedureDocument, ...] | None
    rejections: tuple[str, ...]
    deadlines: tuple[str, ...]
    source: str
    confidence: str
    sample: bool


@dataclass(frozen=True)
class ProcedureTables:
    """The procedures with what they refer to. `insured`: category -> its insurances, as single lines."""

    procedures: Mapping[str, Procedure]
    checklists: Mapping[str, Sequence[ChecklistItem]]
    insured: Mapping[str, Sequence[str]]
    agencies: Sequence[AgencyPolicy]
    reasons: Mapping[str, RejectionReason]


@dataclass(frozen=True)
class ProcedureNeeds:
    """What a procedure needs for one category. `agencies`: agency -> the insurances it handles here."""

    procedure: Procedure
    insurances: tuple[str, ...]
    agencies: Mapping[str, tuple[str, ...]]
    documents: Sequence[DocumentRequest]
    reasons: Sequence[RejectionReason]


class NotForCategory(PolicyError):
    """The category has no part in this procedure."""


def needs(category: str, procedure: str, conditions: Collection[str], tables: ProcedureTables) -> ProcedureNeeds:
    """What `procedure` needs for a person of `category` under the conditions that hold. NotForCategory when the
    category has none of its insurances; KeyError for an unknown category or procedure."""
    found, insured = tables.procedures[procedure], tables.insured[category]
    insurances = tuple(i for i in insured if found.insurances is None or i in found.insurances)
    if not insurances or (found.categories and category not in found.categories):
        raise NotForCategory(
            f"该类人员不办理“{found.title.zh}”：没有相应险种。",
            f"{found.title.en} is not for this category: it has none of the insurances.",
        )
    items = (
        tables.checklists.get(category, [])
        if found.documents is None
        else [d.item for d in found.documents if not d.categories or category in d.categories]
    )
    handled = {a.id: tuple(i for i in insurances if i in a.insurances) for a in tables.agencies}
    return ProcedureNeeds(
        found,
        insurances,
        {agency: those for agency, those in handled.items() if those},
        document_requests(items, conditions),
        [tables.reasons[code] for code in found.rejections],
    )
