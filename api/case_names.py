"""What people call a case: its number; a payment or a voucher, whose number is an id, by levy and month.

The one place for pages and for sentences of the API, so that both say the same name and neither shows an id.
"""

from schemas.base import Text

PAYMENT_PARTS = 4  # unit, levy, year, month; a voucher has the head of its bill's id after them
_LEVIES = {"social": Text(zh="社保费", en="social levy"), "medical": Text(zh="医保费", en="medical levy")}


def called(case_no: str) -> Text:
    """医保费 2026-11 for tax_payment-school-medical-2026-11; a number that people know stays as it is."""
    kind, _, rest = case_no.partition("-")
    parts = rest.split("-")
    if kind not in ("tax_payment", "reimbursement") or len(parts) < PAYMENT_PARTS:
        return Text(zh=case_no, en=case_no)
    levy, month = _LEVIES.get(parts[1], Text(zh=parts[1], en=parts[1])), "-".join(parts[2:PAYMENT_PARTS])
    if kind == "tax_payment":
        return Text(zh=f"{levy.zh} {month}", en=f"{levy.en} {month}")
    return Text(zh=f"{levy.zh} {month} 报账 {parts[-1]}", en=f"Voucher {levy.en} {month}, {parts[-1]}")
