"""Documents asked for by category of person, and the agencies' reasons of refusal.

A document that is required only under a condition (`if_treaty_claimed`) is asked for always and required when the
condition holds, so that it can be handed in early. The lists are data (`policies/materials.yaml`, parsed by
`domain.policy.checklists`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from schemas.base import Text
from schemas.deadlines import ChecklistItem
from schemas.tasks import DocumentRequest


@dataclass(frozen=True)
class RejectionReason:
    """A code of `rejection_reasons.yaml` with its sentence."""

    code: str
    title: Text


def document_requests(items: Sequence[ChecklistItem], conditions: Collection[str]) -> list[DocumentRequest]:
    """What a task asks for. `conditions` that hold: if_treaty_claimed, if_exemption_claimed, if_prior_service,
    if_transfer."""
    return [
        DocumentRequest(
            code=item.code,
            title=item.title,
            required=item.required or (bool(item.when) and item.when in conditions),
            accept=item.accept,
            note=item.note,
        )
        for item in items
    ]
