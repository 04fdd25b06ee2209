"""The tax office's interface: who is visible, bills, payments, certificates.

Invariants: amounts come from its own table and the wage registered at the bureau; a person, month and insurance is paid
at most once; a new bill over the same lines replaces the unpaid one. What was paid by too low a wage is made up by a
declaration of its own kind (补差): the difference to what is paid so far, never a second payment and never a refund.
"""

import json
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse, Response

from simulators.certificate import pdf
from simulators.clock import real_seconds, stamp
from simulators.http import Problem, offset_of, read, state_of, write
from simulators.models import BUREAU_OF, Behaviour, BillRequest, PaymentRequest, VisibilityQuery
from simulators.rates import Premium, premium
from simulators.state import State

router = APIRouter(prefix="/tax_office", tags=["tax_office"])
AGENCY = "tax_office"
Key = Annotated[str | None, Header(alias="Idempotency-Key")]
CENT = Decimal("0.01")


def _visible(state: State, number: str, levy: str) -> Any:
    """The registration behind a number once the bureau's data has arrived here, else None."""
    row = state.registration(BUREAU_OF[levy], number)
    if row is None or row["approved"] + state.behaviour(AGENCY).sync_after_seconds > real_seconds():
        return None
    return row


@router.get("/visible")
async def visible(request: Request, number: str, levy: Literal["social", "medical"]) -> dict[str, Any]:
    """Whether the tax client shows a person for a levy (the number is that levy's bureau's)."""
    state = read(request, AGENCY)
    return {"number": number, "levy": levy, "visible": _visible(state, number, levy) is not None}


@router.post("/visibility")
async def visibility(request: Request, body: VisibilityQuery) -> dict[str, Any]:
    """Which of many persons the tax client does not show yet; a question, so it is not logged."""
    state = read(request, AGENCY)
    missing = [number for number in body.numbers if _visible(state, number, body.levy) is None]
    return {"levy": body.levy, "missing": missing}


@router.post("/bills")
async def make_bill(request: Request, body: BillRequest, key: Key = None) -> JSONResponse:
    """Makes a bill per person, month and insurance, to the cent."""
    state = state_of(request)
    data = body.model_dump(mode="json")
    return write(request, AGENCY, data, lambda: _bill(state, body, offset_of(request)), key=key, outcome="billed")


def _bill(state: State, body: BillRequest, offset: float) -> dict[str, Any]:
    lines: list[dict[str, Any]] = []
    rows = {item.number: _visible(state, item.number, body.levy) for item in body.items}
    hidden = [number for number, row in rows.items() if row is None]
    if hidden:
        raise Problem(
            422, "not_visible", f"税务端未收到 {len(hidden)} 人的参保信息，请待同步后再生成征集单。",
            f"{len(hidden)} persons have not arrived from the bureau yet; ask again after the synchronisation.",
            numbers=hidden,
        )  # fmt: skip
    if len(rows) < len(body.items):
        raise Problem(
            422, "number_twice", "同一参保号码在征集单中出现多次，请核对号码。",
            "A number stands on the bill more than once; check the numbers.",
        )  # fmt: skip
    for item in body.items:
        registered = json.loads(rows[item.number]["body"])
        declared = {made_up.month: made_up.base for made_up in item.make_up}
        for month in sorted({*item.months, *declared}):
            if month < registered["start_month"]:
                raise Problem(
                    422, "not_covered", f"费款所属期 {month} 早于参保起始月 {registered['start_month']}。",
                    f"The premium month {month} is before the first month insured, {registered['start_month']}.",
                )  # fmt: skip
            if month in declared:
                lines += _made_up(state, item.number, month, registered["insurances"], body.levy, declared[month])
                continue
            for insurance in registered["insurances"]:
                lines.append(_line(state, item.number, month, insurance, body.levy, Decimal(registered["base"])))
    _apply_bill_error(state, lines)
    total = sum((Decimal(line["unit_amount"]) + Decimal(line["person_amount"]) for line in lines), Decimal("0.00"))
    bill_no = f"ZJ{body.levy[0].upper()}{state.next_number('bill'):010d}"
    made = stamp(real_seconds(), offset)
    for line in lines:
        key = (line["number"], line["month"], line["insurance"])
        state.db.execute(
            "UPDATE bills SET state = 'replaced' WHERE state = 'open' AND levy = ? AND bill_no IN"
            " (SELECT bill_no FROM bill_lines WHERE number = ? AND month = ? AND insurance = ?)",
            (body.levy, *key),
        )
        state.db.execute("INSERT INTO bill_lines VALUES (?, ?, ?, ?, ?)", (bill_no, *key, json.dumps(line)))
    state.db.execute(
        "INSERT INTO bills VALUES (?, ?, ?, ?, 'open', ?, ?, NULL, NULL)",
        (bill_no, body.unit, body.levy, body.kind, str(total), made),
    )
    return _bill_answer(state, bill_no)


def _line(state: State, number: str, month: str, insurance: str, levy: str, base: Decimal) -> dict[str, Any]:
    paid = state.db.execute(
        "SELECT b.bill_no FROM bill_lines l JOIN bills b USING (bill_no)"
        " WHERE b.state = 'paid' AND b.levy = ? AND l.number = ? AND l.month = ? AND l.insurance = ?",
        (levy, number, month, insurance),
    ).fetchone()
    if paid:
        raise Problem(
            409, "already_paid", f"{month} 的 {insurance} 已在征集单 {paid['bill_no']} 缴纳。",
            f"{insurance} of {month} was paid with bill {paid['bill_no']}.",
        )  # fmt: skip
    amount = _premium(insurance, levy, base, month)
    return _as_line("premium", number, amount, month, amount.unit_amount, amount.person_amount)


def _made_up(
    state: State, number: str, month: str, insurances: list[str], levy: str, base: Decimal
) -> list[dict[str, Any]]:
    """What the declared wage gives above what is paid for a month, an insurance; one that a limit holds has no line."""
    rows = state.db.execute(
        "SELECT l.insurance, l.body FROM bill_lines l JOIN bills b USING (bill_no)"
        " WHERE b.state = 'paid' AND b.levy = ? AND l.number = ? AND l.month = ?",
        (levy, number, month),
    ).fetchall()
    if not rows:
        raise Problem(
            409, "not_paid_yet", f"{month} 尚未缴费，不能补差；请先缴清原征集单。",
            f"{month} is not paid yet, so nothing can be made up; pay its own bill first.",
        )  # fmt: skip
    lines: list[dict[str, Any]] = []
    for insurance in insurances:
        amount = _premium(insurance, levy, base, month)
        paid = [json.loads(row["body"]) for row in rows if row["insurance"] == insurance]
        unit = amount.unit_amount - sum((Decimal(line["unit_amount"]) for line in paid), Decimal("0.00"))
        person = amount.person_amount - sum((Decimal(line["person_amount"]) for line in paid), Decimal("0.00"))
        if unit < 0 or person < 0:
            raise Problem(
                422, "make_up_too_low", f"{month} 的 {insurance} 申报工资低于已缴工资，不能补差，请申请退费。",
                f"{insurance} of {month}: the wage declared is below the one paid by; apply for a refund.",
            )  # fmt: skip
        if unit or person:
            lines.append(_as_line("make_up", number, amount, month, unit, person))
    if not lines:
        raise Problem(
            422, "nothing_to_make_up", f"{month} 按申报工资应缴金额与已缴金额相同，无差额可补。",
            f"What is due for {month} by the wage declared is what is paid; there is nothing to make up.",
        )  # fmt: skip
    return lines


def _premium(insurance: str, levy: str, base: Decimal, month: str) -> Premium:
    try:
        return premium(insurance, levy, base, month)
    except LookupError:
        raise Problem(
            422, "month_unknown", f"税务端没有 {month} 的 {insurance} 费率或基数上下限。",
            f"No rate or limits of {insurance} for {month}.",
        ) from None  # fmt: skip


def _as_line(
    declaration: str, number: str, amount: Premium, month: str, unit: Decimal, person: Decimal
) -> dict[str, Any]:
    """A line of a bill; `declaration`: premium, or make_up with the difference alone."""
    return {
        "number": number, "month": month, "insurance": amount.insurance, "declaration": declaration,
        "base": str(amount.base), "unit_rate": str(amount.unit_rate), "person_rate": str(amount.person_rate),
        "unit_amount": str(unit), "person_amount": str(person),
    }  # fmt: skip


def _apply_bill_error(state: State, lines: list[dict[str, Any]]) -> None:
    """Makes the bill wrong where the behaviour orders it, and uses up one of its times."""
    behaviour = state.behaviour(AGENCY)
    error = behaviour.bill_error
    hit = next((line for line in lines if error and line["insurance"] == error.insurance), None)
    if error is None or hit is None:
        return
    hit["unit_amount"] = str(Decimal(hit["unit_amount"]) + error.cents * CENT)
    if error.times is not None:
        left = error.model_copy(update={"times": error.times - 1}) if error.times > 1 else None
        rest = behaviour.model_copy(update={"bill_error": left})
        state.set_behaviour(AGENCY, Behaviour.model_validate(rest.model_dump()))


def _bill_answer(state: State, bill_no: str) -> dict[str, Any]:
    bill = state.db.execute("SELECT * FROM bills WHERE bill_no = ?", (bill_no,)).fetchone()
    if bill is None:
        raise Problem(404, "bill_unknown", "查无此征集单。", "No bill has this number.")
    rows = state.db.execute(
        "SELECT body FROM bill_lines WHERE bill_no = ? ORDER BY number, month, rowid", (bill_no,)
    ).fetchall()
    items = [json.loads(row["body"]) for row in rows]
    unit = sum((Decimal(i["unit_amount"]) for i in items), Decimal("0.00"))
    person = sum((Decimal(i["person_amount"]) for i in items), Decimal("0.00"))
    kept = {k: bill[k] for k in ("bill_no", "unit", "levy", "kind", "state", "total", "certificate_no", "paid_at")}
    return kept | {"made_at": bill["made"], "unit_total": str(unit), "person_total": str(person), "items": items}


@router.get("/bills")
async def bills(
    request: Request,
    unit: str | None = None,
    levy: Literal["social", "medical"] | None = None,
    month: str | None = None,
    kind: str | None = None,
    numbers: Annotated[str | None, Query(description="comma-separated")] = None,
) -> dict[str, Any]:
    """The bills made so far, by unit, levy, month, kind and persons."""
    state = read(request, AGENCY)
    wanted = set(numbers.split(",")) if numbers else None
    items: list[dict[str, Any]] = []
    for row in state.db.execute("SELECT bill_no FROM bills ORDER BY bill_no").fetchall():
        bill = _bill_answer(state, row["bill_no"])
        if (unit or bill["unit"]) != bill["unit"] or (levy or bill["levy"]) != bill["levy"]:
            continue
        if (kind or bill["kind"]) != bill["kind"]:
            continue
        if month and not any(i["month"] == month for i in bill["items"]):
            continue
        if wanted and not any(i["number"] in wanted for i in bill["items"]):
            continue
        items.append(bill)
    return {"items": items, "total": len(items)}


@router.get("/bills/{bill_no}")
async def one_bill(request: Request, bill_no: str) -> dict[str, Any]:
    return _bill_answer(read(request, AGENCY), bill_no)


@router.post("/payments")
async def pay(request: Request, body: PaymentRequest, key: Key = None) -> JSONResponse:
    """Takes a payment of exactly one open bill and gives the certificate."""
    state = state_of(request)

    def work() -> dict[str, Any]:
        bill = _bill_answer(state, body.bill_no)
        if bill["state"] != "open":
            paid = bill["state"] == "paid"
            raise Problem(
                409, "already_paid" if paid else "bill_replaced",
                "该征集单已缴费，不能重复缴纳。" if paid else "该征集单已被新的征集单代替，请按新单缴费。",
                "This bill was paid already." if paid else "This bill was replaced by a newer one; pay that one.",
                certificate_no=bill["certificate_no"],
            )  # fmt: skip
        if body.amount != Decimal(bill["total"]):
            raise Problem(
                422, "amount_mismatch", f"缴费金额 {body.amount} 与应缴 {bill['total']} 不符。",
                f"The amount {body.amount} is not the {bill['total']} due.",
            )  # fmt: skip
        paid_at = stamp(real_seconds(), offset_of(request))
        certificate = f"WS51{paid_at[:10].replace('-', '')}{state.next_number('certificate'):06d}"
        state.db.execute(
            "UPDATE bills SET state = 'paid', certificate_no = ?, paid_at = ? WHERE bill_no = ?",
            (certificate, paid_at, body.bill_no),
        )
        return {"certificate_no": certificate, "paid_at": paid_at, "bill_no": body.bill_no, "amount": bill["total"]}

    return write(request, AGENCY, body.model_dump(mode="json"), work, key=key, outcome="paid")


@router.get("/certificates/{certificate_no}")
async def certificate(request: Request, certificate_no: str) -> Response:
    """The payment certificate as a PDF."""
    state = read(request, AGENCY)
    row = state.db.execute("SELECT bill_no FROM bills WHERE certificate_no = ?", (certificate_no,)).fetchone()
    if row is None:
        raise Problem(404, "certificate_unknown", "查无此缴费凭证。", "No certificate has this number.")
    bill = _bill_answer(state, row["bill_no"])
    levy = {"social": "社会保险费", "medical": "医疗保险费"}[bill["levy"]]
    months = sorted({item["month"] for item in bill["items"]})
    lines = [
        f"凭证号码 Certificate: {certificate_no}", f"征集单号 Bill: {bill['bill_no']}",
        f"缴费单位 Unit: {bill['unit']}", f"费种 Levy: {levy}", f"费款所属期 Period: {', '.join(months)}",
        f"单位部分 Unit part: {bill['unit_total']}", f"个人部分 Person part: {bill['person_total']}",
        f"合计 Total: {bill['total']} 元", f"缴费时间 Paid at: {bill['paid_at']}", "（模拟税务机关，仅供演示）",
    ]  # fmt: skip
    return Response(
        pdf(lines, "社会保险费缴费凭证"), media_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{certificate_no}.pdf"'},
    )  # fmt: skip
