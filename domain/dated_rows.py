"""The row of a dated table that holds for a month as it was known on a day, or the sentence why there is none; and the
row of a list (`newest`).

Invariants: a value that has run out stays in use until its next is published, for no longer than the data say, and is
said to be old; between two known rows nothing is put in: a gap is refused by name, and so is a month before the data
begin. Which rows are asked, and what they mean, is not known here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol, TypeVar

from domain import names
from domain.policy import PolicyError
from domain.times import add_to_month, first_day, last_day, month_of
from schemas.base import Text

ANY_SCHEME = "all"
_DAY = timedelta(days=1)


class PolicyGap(PolicyError):
    """The data hold no value for what was asked; the message names insurance and month."""


class Dated(Protocol):
    @property
    def scheme(self) -> str: ...
    @property
    def locality(self) -> str: ...
    @property
    def valid_from(self) -> date: ...
    @property
    def valid_to(self) -> date | None: ...
    @property
    def known_from(self) -> date: ...


R = TypeVar("R", bound=Dated)


class Listed(Protocol):
    """A row of a list of a YAML file: it holds from a day until the next begins. `published_on` None: always known."""

    @property
    def valid_from(self) -> date: ...
    @property
    def published_on(self) -> date | None: ...


L = TypeVar("L", bound=Listed)


def newest(rows: Iterable[L], on: date, known_on: date | None = None) -> L | None:
    """The row in force on a day, as it was known on another (None: all that is on record): the last to begin, and of
    two from one day the one published later, which corrects the other. None where none has begun."""
    begun = [r for r in rows if r.valid_from <= on and (known_on is None or (r.published_on or date.min) <= known_on)]
    return max(begun, key=lambda r: (r.valid_from, r.published_on or date.min), default=None)


@dataclass(frozen=True)
class Asked:
    """What is looked up: `value` names it (floor and cap, rate). `expired_months`: for so many months after its end a
    value may stand in for the one that is not published yet."""

    value: Text
    insurance: str
    scheme: str
    month: str
    known_on: date
    localities: Sequence[str]
    expired_months: int


def look_up(rows: Sequence[R], asked: Asked) -> tuple[R, bool]:
    """The row for the month, and whether it had run out. PolicyGap when the data hold none."""
    first, last = first_day(asked.month), last_day(asked.month)
    placed = [r for r in rows if r.locality in asked.localities]
    held = [r for r in placed if r.scheme in (asked.scheme, ANY_SCHEME)]
    usable = [r for r in held if r.known_from <= asked.known_on]

    def rank(row: R) -> tuple[bool, int, date, date]:
        return (
            row.scheme == asked.scheme,
            -asked.localities.index(row.locality),
            row.known_from,
            row.valid_from,
        )

    def ends(row: R) -> date:
        """An open row ends where the next one of its kind begins, also after that one has run out."""
        if row.valid_to is not None:
            return row.valid_to
        later = [
            r.valid_from
            for r in usable
            if (r.scheme, r.locality) == (row.scheme, row.locality) and r.valid_from > row.valid_from
        ]
        return min(later) - _DAY if later else date.max

    in_force = [r for r in usable if r.valid_from <= first and ends(r) >= last]
    if in_force:
        return max(in_force, key=rank), False
    before = [r for r in usable if r.valid_from <= first]
    if not before:
        raise _not_begun(asked, held, placed)
    newest = max(before, key=lambda r: (ends(r), *rank(r)))
    end = ends(newest)
    following = min((r.valid_from for r in usable if r.valid_from > first), default=None)
    if following is not None and end < first:
        raise _gap(
            asked,
            Text(
                zh=f"（{end + _DAY} 至 {following - _DAY} 为数据空缺：此前的到 {end} 止，其后的自 {following} 起）",
                en=f": {end + _DAY} to {following - _DAY} is a gap between the value until {end} and the one from "
                f"{following}",
            ),
        )
    until = add_to_month(month_of(end), asked.expired_months)
    if asked.month > until:
        raise _gap(
            asked,
            Text(
                zh=f"（最近的到 {end} 止，新标准公布前最多沿用至 {until}）",
                en=f": the newest ended on {end} and stays in use until {until} at most",
            ),
        )
    return newest, True


def _not_begun(asked: Asked, held: Sequence[Dated], placed: Sequence[Dated]) -> PolicyGap:
    """Why no row has begun by the month: they are told by scheme, not published yet, or begin later."""
    first = first_day(asked.month)
    told = {r.scheme for r in placed if r.valid_from <= first and r.known_from <= asked.known_on}
    if asked.scheme == ANY_SCHEME and told:
        schemes = [names.scheme(s) for s in sorted(told)]
        return _gap(
            asked,
            Text(zh="（该月按养老类型分别规定）", en=", which is told by scheme"),
            Text(
                zh=f"请改查其中一种：{'、'.join(s.zh for s in schemes)}",
                en=f"ask for {' or '.join(s.en for s in schemes)}",
            ),
        )
    if not held:
        return _gap(asked, None)
    if any(r.valid_from <= first for r in held):
        return _gap(asked, Text(zh=f"（{asked.known_on} 时尚未公布）", en=f" as known on {asked.known_on}"))
    since = min(r.valid_from for r in held)
    shown = month_of(since) if since.day == 1 else since.isoformat()
    return _gap(asked, Text(zh=f"（现有数据自 {shown} 起）", en=f" (the data begin in {shown})"))


_ADD = Text(zh="请在政策数据中补充后重试", en="add it to the policy data and try again")


def _gap(asked: Asked, why: Text | None, advice: Text = _ADD) -> PolicyGap:
    because_zh, because_en = (why.zh, why.en) if why is not None else ("", "")
    what, whose = names.insurance(asked.insurance), names.scheme(asked.scheme)
    return PolicyGap(
        f"{asked.month} 的{what.zh}（{whose.zh}）没有{asked.value.zh}数据{because_zh}，{advice.zh}。",
        f"No {asked.value.en} of {what.en} ({whose.en}) for {asked.month}{because_en}; {advice.en}.",
    )
