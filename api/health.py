"""Liveness, readiness and metrics, outside the API's prefix. No personal data, no names."""

import asyncio

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from prometheus_client import REGISTRY as PROCESS
from sqlalchemy import func, select

from api import engine
from runtime import clock
from schemas.api import Answer
from store import database, urgency
from store.tables.processes import Process, ProcessStartRow, Submission, Task

router = APIRouter(tags=["health"])
PATIENCE = 3.0


class Health(Answer):
    status: str
    database: str | None = None
    temporal: str | None = None


@router.get("/healthz", summary="The process answers")
async def healthz() -> Health:
    return Health(status="ok")


@router.get("/readyz", summary="Database and Temporal answer")
async def readyz(response: Response) -> Health:
    found = Health(status="ok", database=await _database(), temporal=await _temporal())
    if "away" in (found.database, found.temporal):
        found.status = "away"
        response.status_code = 503
    return found


async def _database() -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            await database.ping()
    except Exception:  # noqa: BLE001  whatever keeps it from answering, it is not ready
        return "away"
    return "ok"


async def _temporal() -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            await (await engine.client()).service_client.check_health()
    except Exception:  # noqa: BLE001  as above
        return "away"
    return "ok"


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
async def metrics() -> Response:
    own = CollectorRegistry()
    now = clock.now()
    async with database.session() as s:
        row = (
            await s.execute(
                select(
                    func.count().filter(Process.closed_at.is_(None)).label("processes_open"),
                    func.count().filter(urgency.overdue(Process, now)).label("processes_overdue"),
                    func.count().filter(urgency.at_risk(Process, now)).label("processes_at_risk"),
                ).select_from(Process)
            )
        ).one()
        figures = dict(row._mapping)
        for name, table, where in (
            ("tasks_open", Task, Task.closed_at.is_(None)),
            ("submissions_pending", Submission, Submission.status == "pending"),
            ("starts_pending", ProcessStartRow, ProcessStartRow.state == "pending"),
        ):
            figures[name] = await s.scalar(select(func.count()).select_from(table).where(where)) or 0
    for name, value in figures.items():
        Gauge(f"baoqi_{name}", name.replace("_", " "), registry=own).set(value)
    return Response(generate_latest(own) + generate_latest(PROCESS), media_type=CONTENT_TYPE_LATEST)
