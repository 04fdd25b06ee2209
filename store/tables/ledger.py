"""The ledger: premium lines, bills, the agency's bill beside ours, withholding and vouchers. Yuan with two places.

Invariants: `premium_lines` is append-only, a correction is a new line that names the line it corrects (a trigger
refuses UPDATE and DELETE); a line stands on one bill at most; every amount shows how it was computed (base, rates,
period, explanation, source).
"""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import DDL, ForeignKey, Index, LargeBinary, Numeric, Text, UniqueConstraint, event, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base

Money = Numeric(14, 2)
Share = Numeric(9, 6)


class PremiumLine(Base):
    """One insurance of one person for one month. `correction` is 0 for the first line and counts up with each that
    corrects it; `voids` marks a reversal."""

    __tablename__ = "premium_lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    process_id: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), index=True)
    unit: Mapped[str]
    levy: Mapped[str]
    premium_month: Mapped[str]
    payment_month: Mapped[str]
    insurance: Mapped[str]
    correction: Mapped[int] = mapped_column(default=0)
    corrects: Mapped[int | None] = mapped_column(ForeignKey("premium_lines.id"))
    voids: Mapped[bool] = mapped_column(default=False)
    declared: Mapped[Decimal | None] = mapped_column(Money)  # the wage behind the base; none where the agency said it
    scheme: Mapped[str | None]  # of which limits and rates were taken
    base: Mapped[Decimal] = mapped_column(Money)
    unit_rate: Mapped[Decimal] = mapped_column(Share)
    person_rate: Mapped[Decimal] = mapped_column(Share)
    unit_amount: Mapped[Decimal] = mapped_column(Money)
    person_amount: Mapped[Decimal] = mapped_column(Money)
    org_unit: Mapped[str]
    flags: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)  # sample, limit_of_last_year, not_same_month…
    explanation_zh: Mapped[str]
    explanation_en: Mapped[str]
    source: Mapped[str]
    reason: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint(
            "process_id", "levy", "premium_month", "insurance", "correction", name="uq_premium_lines_line"
        ),
        Index("ix_premium_lines_scope", "unit", "levy", "payment_month"),
    )


_APPEND_ONLY = """
CREATE OR REPLACE FUNCTION premium_lines_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'premium_lines is append-only: write a line that corrects line %%', OLD.id;
END $$
"""
event.listen(PremiumLine.__table__, "after_create", DDL(_APPEND_ONLY))
event.listen(
    PremiumLine.__table__,
    "after_create",
    DDL(
        "CREATE TRIGGER premium_lines_append_only BEFORE UPDATE OR DELETE ON premium_lines "
        "FOR EACH ROW EXECUTE FUNCTION premium_lines_append_only()"
    ),
)


class Bill(Base):
    """A frozen list for payment. `status`: frozen, paid, settled; void when everybody was taken off it and it ended
    without payment. `kind`: regular, supplementary, back_payment."""

    __tablename__ = "bills"
    id: Mapped[str] = mapped_column(primary_key=True)
    unit: Mapped[str]
    levy: Mapped[str]
    month: Mapped[str]
    round: Mapped[int]
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(default="frozen")
    created_at: Mapped[datetime]
    agency_bill_no: Mapped[str | None]
    agency_total: Mapped[Decimal | None] = mapped_column(Money)
    certificate_no: Mapped[str | None]
    certificate_document: Mapped[str | None]
    paid_amount: Mapped[Decimal | None] = mapped_column(Money)
    paid_on: Mapped[date | None]
    paid_by: Mapped[str | None]
    settled_at: Mapped[datetime | None]
    __table_args__ = (Index("ix_bills_scope", "unit", "levy", "month"),)


class BillLine(Base):
    """Which lines stand on a bill; a line on one bill at most."""

    __tablename__ = "bill_lines"
    line_id: Mapped[int] = mapped_column(ForeignKey("premium_lines.id"), primary_key=True)
    bill_id: Mapped[str] = mapped_column(ForeignKey("bills.id"), index=True)


class TakenOff(Base):
    """A line that stood on a bill and was taken off it before the payment, by whom and why; without a reason because
    its case was cancelled."""

    __tablename__ = "taken_off"
    line_id: Mapped[int] = mapped_column(ForeignKey("premium_lines.id"), primary_key=True)
    bill_id: Mapped[str] = mapped_column(ForeignKey("bills.id"), primary_key=True, index=True)
    reason: Mapped[str | None]
    taken_by: Mapped[str]
    taken_at: Mapped[datetime]


class AgencyLine(Base):
    """The agency's bill per person, month and insurance, as fetched or uploaded last. Somebody whom we do not know
    stands here under the keyed hash of the `number` on that bill, which is encrypted; all others have none."""

    __tablename__ = "agency_lines"
    bill_id: Mapped[str] = mapped_column(ForeignKey("bills.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(primary_key=True)
    premium_month: Mapped[str] = mapped_column(primary_key=True)
    insurance: Mapped[str] = mapped_column(primary_key=True)
    unit_amount: Mapped[Decimal] = mapped_column(Money)
    person_amount: Mapped[Decimal] = mapped_column(Money)
    number: Mapped[bytes | None] = mapped_column(LargeBinary)


class Withholding(Base):
    """The person part of one person on one bill, and how payroll takes it: this_month, next_month, receivable."""

    __tablename__ = "withholdings"
    bill_id: Mapped[str] = mapped_column(ForeignKey("bills.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Money)
    how: Mapped[str | None]
    confirmed_by: Mapped[str | None]
    confirmed_at: Mapped[datetime | None]


class Voucher(Base):
    """The internal voucher of a paid bill. `status`: prepared, settled."""

    __tablename__ = "vouchers"
    id: Mapped[str] = mapped_column(primary_key=True)
    bill_id: Mapped[str] = mapped_column(ForeignKey("bills.id"), unique=True)
    voucher_no: Mapped[str]
    budget_line: Mapped[str]
    status: Mapped[str] = mapped_column(default="prepared")
    prepared_by: Mapped[str]
    prepared_at: Mapped[datetime]
    settlement_no: Mapped[str | None]
    settled_by: Mapped[str | None]
    settled_at: Mapped[datetime | None]
    splits_total: Mapped[Decimal] = mapped_column(Money, server_default=text("0"))


class VoucherSplit(Base):
    """One line of the voucher: part (unit, person), insurance and college."""

    __tablename__ = "voucher_splits"
    voucher_id: Mapped[str] = mapped_column(ForeignKey("vouchers.id", ondelete="CASCADE"), primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)
    insurance: Mapped[str] = mapped_column(primary_key=True)
    org_unit: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Money)
