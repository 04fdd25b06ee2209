"""Which applied change brought a value of the rules, found from the change and the value alone. Pure.

Invariants: a value that was shipped has no change; of several changes of one value the last is its origin, the others
are its history. Nothing here decides what a change does: that is `domain/policy_changes.py`.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from domain.calendar_changes import CALENDAR
from domain.contributions import Limit, Rate
from domain.policy_changes import effective, ident, key_columns
from domain.policy_findings import Value, stem
from schemas.policy import ChangeKind, PolicyChange


def brought(change: PolicyChange, value: Value) -> bool:
    """Whether the change made the value what it is, or made it what it was before a later one."""
    if change.file != value.file:
        return False
    if value.file.endswith(".csv"):
        return _of_row(change, value)
    if value.file == CALENDAR:
        return value.key == f"years[{change.key[:4]}]"
    if change.kind is ChangeKind.ROW:
        address = f"{change.key}[{ident(change.new, -1)}]"
        here = value.key == address or value.key.startswith(f"{address}.")
        return here and str(value.said.get("published_on") or "") == str(change.published_on or "")
    return value.key == change.key


def _of_row(change: PolicyChange, value: Value) -> bool:
    row = {k: str(v) for k, v in (value.fields | value.said).items()}
    where = [*key_columns(list(value.fields)), *(c for c in ("valid_from",) if c in row)]
    same = all(str(change.new.get(c, "")) == row[c] for c in where)
    undated = "valid_from" not in row  # is replaced, so what it says now may come from a later change
    return same and (undated or row.get("source", "") == str(change.new.get("source") or change.source))


def origin(value: Value, applied: Sequence[PolicyChange]) -> PolicyChange | None:
    """The last applied change that brought the value; None when it was shipped."""
    return next((c for c in reversed(effective(applied)) if brought(c, value)), None)


def of_row(row: Limit | Rate, file: str, applied: Sequence[PolicyChange]) -> int | None:
    """The id of the last applied change that brought a limit or rate as the tables hold it; None when shipped."""
    said = {"scheme": row.scheme, "locality": row.locality, "insurance": row.insurance}

    def same(change: PolicyChange) -> bool:
        if isinstance(row, Rate) and "rate" in change.new and Decimal(str(change.new["rate"])) != row.unit:
            return False  # of another risk class
        return (
            change.file == file
            and all(change.new[k] == v for k, v in said.items() if k in change.new)
            and str(change.new.get("valid_from")) == row.valid_from.isoformat()
            and str(change.new.get("source") or change.source) == row.source
        )

    return next((c.id for c in reversed(applied) if same(c)), None)


def series(value: Value, values: Iterable[Value]) -> list[Value]:
    """The rows of the same table or list that tell the same thing for other dates (and the value), the newest first."""
    if not value.dated:
        return [v for v in values if v.key == value.key]
    found = [v for v in values if stem(v) == stem(value)]
    return sorted(found, key=lambda v: [str(v.said.get(d) or "") for d in ("valid_from", "published_on")], reverse=True)
