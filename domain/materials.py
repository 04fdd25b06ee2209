"""Documents asked for by category of person, and the agencies' reasons of refusal, as data.

A document that is required only under a condition (`if_treaty_claimed`) is asked for always and required when the
condition holds, so that it can be handed in early.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from schemas.base import Text
from schemas.tasks import DocumentRequest

_CONDITION = "if_"


@dataclass(frozen=True)
class MaterialItem:
    """One line of a checklist. `condition` without "if_" names when it is required; None: `required` alone decides."""

    code: str
    title: Text
    required: bool
    condition: str | None
    check: Text | None
    replaces: tuple[str, ...]


@dataclass(frozen=True)
class RejectionReason:
    """A code of `rejection_reasons.yaml` with its sentence."""

    code: str
    title: Text


@dataclass(frozen=True)
class Materials:
    """All checklists, by category."""

    checklists: Mapping[str, Sequence[MaterialItem]]
    sample: bool


def checklist(category: str, materials: Materials) -> list[MaterialItem]:
    """The documents of a category; KeyError-free: ValueError with a sentence when the category has none."""
    try:
        return list(materials.checklists[category])
    except KeyError:
        raise ValueError(f"No checklist for {category}. 人员类别 {category} 没有材料清单。") from None


def document_requests(category: str, conditions: Collection[str], materials: Materials) -> list[DocumentRequest]:
    """What a task asks for. `conditions` that hold: treaty_claimed, exemption_claimed, prior_service, transfer."""
    return [
        DocumentRequest(
            code=item.code,
            title=item.title,
            required=item.required or (item.condition is not None and item.condition in conditions),
            note=item.check,
        )
        for item in checklist(category, materials)
    ]


def required_of(value: object) -> tuple[bool, str | None]:
    """`required` of the data file: true, false, or "if_something". ValueError for anything else."""
    if isinstance(value, bool):
        return value, None
    if isinstance(value, str) and value.startswith(_CONDITION):
        return False, value.removeprefix(_CONDITION)
    raise ValueError(f"required must be true, false or if_…, not {value!r}. required 应为 true、false 或 if_…。")
