"""The agencies' server: puts the paths together, and those for the one who watches: behaviour, log, health.

Run by `baoqi simulators`. State lies in one file of `data_dir` and survives kill -9; without a folder it is
in memory.
"""

from pathlib import Path
from typing import Any, Literal

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from simulators import bureau, tax
from simulators.clock import real_seconds
from simulators.http import Problem, state_of
from simulators.models import AGENCIES, Behaviour
from simulators.state import State

AnyAgency = Literal["social_bureau", "medical_bureau", "tax_office"]


def create_app(data_dir: Path | None = None) -> FastAPI:
    """The ASGI app of the simulated agencies. One process only: it is the single writer of its file."""
    app = FastAPI(title="Simulated agencies", docs_url=None, redoc_url=None)
    app.state.agencies = State(data_dir)
    app.include_router(tax.router)
    app.include_router(bureau.router)

    @app.get("/healthz")
    async def healthz(request: Request) -> dict[str, Any]:
        state_of(request).db.execute("SELECT 1")
        return {"status": "ok", "agencies": list(AGENCIES)}

    @app.get("/{agency}/behaviour")
    async def get_behaviour(request: Request, agency: AnyAgency) -> dict[str, Any]:
        """How the agency behaves now; `outage_left` are the seconds a timed outage still lasts."""
        state = state_of(request)
        left = max(0.0, state.outage_until(agency) - real_seconds())
        return state.behaviour(agency).model_dump(mode="json") | {"outage_left": round(left, 3)}

    @app.put("/{agency}/behaviour")
    async def put_behaviour(request: Request, agency: AnyAgency, body: Behaviour) -> dict[str, Any]:
        """Replaces the agency's behaviour; a timed outage begins now."""
        state = state_of(request)
        with state.transaction():
            state.settle()
            until = real_seconds() + body.outage_seconds if body.outage_seconds else 0.0
            state.set_behaviour(agency, body, until)
        return await get_behaviour(request, agency)

    @app.get("/{agency}/log")
    async def get_log(request: Request, agency: AnyAgency) -> dict[str, Any]:
        """Everything that reached the agency and changed it or tried to, in order."""
        items = state_of(request).read_log(agency)
        return {"items": items, "total": len(items)}

    @app.delete("/{agency}/log")
    async def clear_log(request: Request, agency: AnyAgency) -> dict[str, Any]:
        with state_of(request).transaction() as db:
            count = db.execute("DELETE FROM log WHERE agency = ?", (agency,)).rowcount
        return {"deleted": count}

    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app


async def _problem(_request: Request, error: Exception) -> JSONResponse:
    return error.response() if isinstance(error, Problem) else await _unknown(error)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """A body the interface cannot read: every faulty field by its path."""
    if not isinstance(error, RequestValidationError):
        return await _unknown(error)
    faults = [{"pointer": "/" + "/".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
    names = "、".join(f["pointer"] for f in faults)
    return Problem(
        422, "body_invalid", f"报文格式不符，请改正：{names}。", f"The request is not in the agreed format: {names}.",
        errors=faults,
    ).response()  # fmt: skip


async def _unknown(error: Exception) -> JSONResponse:
    """The framework hands each handler only its own class; anything else is a fault of the server."""
    raise error


def main(port: int, data: Path | None, host: str = "127.0.0.1") -> None:
    """Runs the server until it is told to stop."""
    uvicorn.run(create_app(data), host=host, port=port, log_level="warning", access_log=False)
