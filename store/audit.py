"""The audit trail: who did what to which object, when, and whether for somebody else. Rows are only ever added."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from runtime.clock import real_now
from store.tables.office import Audit


def record(
    session: AsyncSession,
    actor: str,
    action: str,
    object_id: str,
    *,
    on_behalf: bool = False,
    **data: Any,
) -> None:
    """Adds a line in the caller's transaction. `data` holds codes and ids, never personal data."""
    session.add(Audit(at=real_now(), actor=actor, action=action, object=object_id, data=data, on_behalf=on_behalf))
