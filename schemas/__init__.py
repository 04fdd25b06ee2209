"""Pydantic models that cross a boundary: workflow payloads, API bodies, forms.

Invariants: models only, no I/O, no clock, no imports from other folders of the project. Workflow payloads are wire
format for weeks: only add fields, always with a default. Never put a name, an identity number, a passport or a bank
account into a workflow payload: ids go in, ids come out.
"""

# The forms register themselves at import: whoever imports anything of `schemas` finds them all.
from schemas import amendment, enrolment, registration, reimbursement, tax_payment

__all__ = ["amendment", "enrolment", "registration", "reimbursement", "tax_payment"]
