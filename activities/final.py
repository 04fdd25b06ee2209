"""A failure that trying again does not mend: the case asks a person, who reads its sentence.

The sentence names what is wrong and what to do; it quotes no person's data, because it travels through Temporal.
"""

from temporalio.exceptions import ApplicationError

from schemas.base import Text
from schemas.incident_faults import why_of


def final(kind: str, text: Text | None = None) -> ApplicationError:
    """To be raised by an activity. `kind` is a name of `schemas/incident_faults.py`; `text` says more than it does."""
    text = text or why_of(kind)
    return ApplicationError(f"{text.zh} {text.en}", text.model_dump(), type=kind, non_retryable=True)
