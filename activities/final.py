"""A failure that trying again does not mend: the case asks a person, who reads its sentence.

The sentence names what is wrong and what to do; it quotes no person's data, because it travels through Temporal.
"""

from temporalio.exceptions import ApplicationError

from schemas.base import Text


def final(kind: str, text: Text) -> ApplicationError:
    """To be raised by an activity. `kind` is a name of `schemas/incident_faults.py`; `text` says more than that."""
    return ApplicationError(f"{text.zh} {text.en}", text.model_dump(), type=kind, non_retryable=True)
