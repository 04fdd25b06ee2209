"""The interface of the social bureau and of the medical bureau: applications, their progress, registrations.

Refusals by the bureau's verdict come as the state `refused` with a code; only a body the interface cannot read is an
HTTP error. A withdrawn registration is gone from the list of those in force; the person's number is kept for ever.
"""

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse

from simulators.clock import real_seconds, stamp
from simulators.http import Problem, offset_of, read, state_of, write
from simulators.models import INSURANCES, Application, Behaviour
from simulators.state import State

router = APIRouter(tags=["bureaus"])
Bureau = Literal["social_bureau", "medical_bureau"]
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


@router.post("/{agency}/applications")
async def hand_in(request: Request, agency: Bureau, body: Application, key: Key = None) -> JSONResponse:
    """Takes an application and gives the receipt; the verdict is found out by asking."""
    state = state_of(request)
    data = body.model_dump(mode="json")

    def work() -> dict[str, Any]:
        foreign = sorted(set(body.insurances) - set(INSURANCES[agency]))
        if foreign:
            raise Problem(
                422, "insurance_unknown", f"本机构不办理的险种：{'、'.join(foreign)}。",
                f"This agency does not handle: {', '.join(foreign)}.",
            )  # fmt: skip
        prefix = "SB" if agency == "social_bureau" else "YB"
        now = real_seconds()
        receipt = f"{prefix}{stamp(now, offset_of(request))[:10].replace('-', '')}{state.next_number(agency):06d}"
        verdict, note = _take_refusal(state, agency, body.id_number)
        state.db.execute(
            "INSERT INTO applications VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, 'submitted', NULL)",
            (receipt, agency, body.id_number, body.country, json.dumps(data, ensure_ascii=False), now,
             offset_of(request), verdict, note),
        )  # fmt: skip
        return {"receipt_no": receipt, "state": "submitted", "submitted_at": stamp(now, offset_of(request))}

    return write(request, agency, data, work, key=key, outcome="submitted")


def _take_refusal(state: State, agency: str, id_number: str) -> tuple[str | None, str | None]:
    """Uses up one ordered refusal that fits this application."""
    behaviour = state.behaviour(agency)
    for refuse in behaviour.refuse:
        if refuse.id_number in (None, id_number):
            rest = [r for r in behaviour.refuse if r is not refuse]
            if refuse.times > 1:
                rest.insert(behaviour.refuse.index(refuse), refuse.model_copy(update={"times": refuse.times - 1}))
            state.set_behaviour(agency, Behaviour.model_validate(behaviour.model_dump() | {"refuse": rest}))
            return refuse.code, refuse.reason
    return None, None


def _application(state: State, agency: str, receipt_no: str) -> Any:
    row = state.db.execute(
        "SELECT * FROM applications WHERE agency = ? AND receipt_no = ?", (agency, receipt_no)
    ).fetchone()
    if row is None:
        raise Problem(404, "receipt_unknown", "查无此受理号，请核对后再查。", "No application has this receipt number.")
    return row


@router.get("/{agency}/applications")
async def find(request: Request, agency: Bureau, idempotency_key: str) -> dict[str, Any]:
    """The application that came in under an idempotency key: for a caller who never saw the answer. Empty when none."""
    state = read(request, agency)
    known = state.db.execute(
        "SELECT answer FROM answers WHERE agency = ? AND key = ? AND path = ?",
        (agency, idempotency_key, f"/{agency}/applications"),
    ).fetchone()
    if known is None:
        return {"items": [], "total": 0}
    row = _application(state, agency, json.loads(known["answer"])["receipt_no"])
    return {"items": [state.application_answer(row)], "total": 1}


@router.get("/{agency}/applications/{receipt_no}")
async def progress(request: Request, agency: Bureau, receipt_no: str) -> dict[str, Any]:
    """Where an application stands."""
    state = read(request, agency)
    return state.application_answer(_application(state, agency, receipt_no))


@router.post("/{agency}/applications/{receipt_no}/withdraw")
async def withdraw_application(request: Request, agency: Bureau, receipt_no: str, key: Key = None) -> JSONResponse:
    """Withdraws an application that is not decided yet; an approved one is undone as a registration (409 says so)."""
    state = state_of(request)

    def done() -> bool:
        return bool(_application(state, agency, receipt_no)["state"] in ("withdrawn", "refused"))

    def work() -> dict[str, Any]:
        row = _application(state, agency, receipt_no)
        if row["state"] == "approved":
            raise Problem(
                409, "already_approved", "该申报已办结，请改为撤销参保登记。",
                "This application was approved; withdraw the registration instead.", number=row["number"],
            )  # fmt: skip
        if row["state"] in ("submitted", "accepted"):
            state.db.execute("UPDATE applications SET state = 'withdrawn' WHERE receipt_no = ?", (receipt_no,))
            return {"receipt_no": receipt_no, "state": "withdrawn"}
        return {"receipt_no": receipt_no, "state": row["state"]}

    return write(request, agency, {}, work, key=key, key_required=False, outcome="withdrawn", repeat=done)


@router.get("/{agency}/registrations")
async def registrations(request: Request, agency: Bureau) -> dict[str, Any]:
    """All registrations in force."""
    state = read(request, agency)
    rows = state.db.execute(
        "SELECT * FROM registrations WHERE agency = ? AND withdrawn IS NULL ORDER BY approved, receipt_no", (agency,)
    ).fetchall()
    items: list[dict[str, Any]] = []
    for row in rows:
        body = json.loads(row["body"])
        kept = {k: body[k] for k in ("name", "id_number", "country", "employer", "start_month", "base", "insurances")}
        items.append(
            kept | {"number": row["number"], "receipt_no": row["receipt_no"], "approved_at": stamp(row["approved"])}
        )
    return {"items": items, "total": len(items)}


@router.put("/{agency}/registrations/{number}")
async def enter_at_the_counter(request: Request, agency: Bureau, number: str, body: Application) -> JSONResponse:
    """A registration made at the counter or on the bureau's site, not through this interface: it is in force at once.

    For a unit that works by hand: what its clerk typed on the bureau's site must be known to the tax office as well.
    """
    state = state_of(request)
    data = body.model_dump(mode="json")

    def done() -> bool:
        return state.registration(agency, number) is not None

    def work() -> dict[str, Any]:
        if not done():
            state.db.execute(
                "INSERT INTO persons VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (agency, body.country, body.id_number, number),
            )
            receipt = f"GT{state.next_number('counter'):010d}"
            state.db.execute(
                "INSERT INTO registrations VALUES (?, ?, ?, ?, ?, NULL)",
                (receipt, agency, number, json.dumps(data, ensure_ascii=False), real_seconds()),
            )
        return {"number": number, "state": "approved"}

    return write(request, agency, data, work, key=None, key_required=False, outcome="entered", repeat=done)


@router.post("/{agency}/registrations/{number}/withdraw")
async def withdraw_registration(request: Request, agency: Bureau, number: str, key: Key = None) -> JSONResponse:
    """Undoes an approved registration; asked again it only says that it is undone."""
    state = state_of(request)

    def done() -> bool:
        return state.registration(agency, number) is None

    def work() -> dict[str, Any]:
        ever = state.db.execute(
            "SELECT 1 FROM registrations WHERE agency = ? AND number = ?", (agency, number)
        ).fetchone()
        if ever is None:
            raise Problem(404, "number_unknown", "查无此参保号码。", "No registration has this number.")
        state.db.execute(
            "UPDATE registrations SET withdrawn = ? WHERE agency = ? AND number = ? AND withdrawn IS NULL",
            (real_seconds(), agency, number),
        )
        return {"number": number, "state": "withdrawn"}

    return write(request, agency, {}, work, key=key, key_required=False, outcome="withdrawn", repeat=done)
