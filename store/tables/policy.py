"""Changes of the rules and the orders by which running cases take them over.

Invariants: a change that was applied is never changed or deleted; `number` counts applied changes without a gap, and is
the version stamp that every process of the installation compares; an order is done once.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class PolicyChangeRow(Base):
    """A proposed, decided or applied change. `old`: what was in force; `impact`: what was known when it was applied."""

    __tablename__ = "policy_changes"
    id: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[str]
    kind: Mapped[str]
    key: Mapped[str] = mapped_column(default="")
    new: Mapped[dict[str, Any]] = mapped_column(JSONB)
    old: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    reason: Mapped[str]
    source: Mapped[str]
    confidence: Mapped[str]
    sample: Mapped[bool]
    published_on: Mapped[date | None]
    review_by: Mapped[date | None]
    state: Mapped[str] = mapped_column(default="proposed")  # proposed, approved, rejected, withdrawn, applied
    proposed_by: Mapped[str] = mapped_column(ForeignKey("users.username"))
    proposed_at: Mapped[datetime]
    decided_by: Mapped[str | None]  # who approved or rejected it: never who proposed it
    decided_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")
    applied_by: Mapped[str | None]
    applied_at: Mapped[datetime | None]
    number: Mapped[int | None] = mapped_column(unique=True)
    version: Mapped[str | None]  # hash of all rules with this change
    case_version: Mapped[str | None]  # hash of the part that a case carries
    impact: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    __table_args__ = (
        CheckConstraint("decided_by IS NULL OR decided_by <> proposed_by", name="four_eyes"),
        CheckConstraint("(state = 'applied') = (number IS NOT NULL)", name="numbered"),
    )


class CaseRulesRow(Base):
    """The texts of the rules that cases of a version keep (`store/case_rules.py`). Never changed."""

    __tablename__ = "case_rules"
    version: Mapped[str] = mapped_column(primary_key=True)
    texts: Mapped[dict[str, str]] = mapped_column(JSONB)
    kept_at: Mapped[datetime]


class PolicyOrder(Base):
    """Told to one running case: take over rules. `scope`: calendar or all. `version`: of the rules in force when it was
    told. `state`: pending, done, gone (the case has ended), failed (the case could not)."""

    __tablename__ = "policy_orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    process_id: Mapped[str] = mapped_column(index=True)
    change_id: Mapped[int | None]
    scope: Mapped[str]
    version: Mapped[str] = mapped_column(default="", server_default="")
    reason_zh: Mapped[str]
    reason_en: Mapped[str]
    actor: Mapped[str]
    state: Mapped[str] = mapped_column(default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    moved: Mapped[int | None]
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    __table_args__ = (
        Index(
            "uq_policy_orders_pending", "process_id", "scope", unique=True, postgresql_where=text("state = 'pending'")
        ),
    )
