"""What a task about money or an agency shows for reading: the application, the bill beside the agency's lines, the split.

Amounts are strings of yuan with two places, as they came from the books; nothing is computed here that decides anything.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from schemas.tasks import TaskSpec
from store import documents


async def application(session: AsyncSession, process_id: str, spec: TaskSpec) -> dict[str, Any]:
    """The application's file of this agency, newest first."""
    agency = spec.authority or ""
    rows = await documents.of_process(session, process_id)
    files = [{"id": d.id, "code": d.code, "filename": d.filename} for d in rows if agency in d.code]
    return {"files": files[::-1]}


async def open_list(session: AsyncSession, scope: dict[str, Any]) -> dict[str, Any]:
    return {}


async def bill(session: AsyncSession, bill_id: str) -> dict[str, Any]:
    return {}


async def voucher(session: AsyncSession, bill_id: str) -> dict[str, Any]:
    return {}
