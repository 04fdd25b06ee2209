"""What the rules said for a month: floor, cap and rates of each insurance as known on a day, and where they come from.

Invariants: the look-ups are those of `domain/contributions.py`, so that what is shown is what is computed with; a value
that the data do not hold is a gap with its sentence and never guessed. Nothing here knows a person.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from domain.citation import SHORT_NAME
from domain.contributions import (
    EXPIRED_RATE_IN_USE,
    LIMIT_OF_LAST_YEAR,
    REVIEW_OVERDUE,
    SAMPLE,
    BillingLine,
    ContributionTables,
    Limit,
    PolicyGap,
    Rate,
    limit_for,
    publication_unsure,
    rate_for,
)
from domain.policy import Texts, text_of
from domain.times import first_day
from schemas.base import Text

PROVISIONAL = "provisional"
_IDS = re.compile(SHORT_NAME)


@dataclass(frozen=True)
class RuleValue:
    """One insurance for one month. `limit`, `rate`: None where the data hold none; `gaps` says so. `flags` as those of
    `contributions.PremiumAmount`, and `provisional` where the month begins after the day of knowledge, or
    where it is not certain that the value was out on that day."""

    line: BillingLine
    limit: Limit | None
    rate: Rate | None
    flags: tuple[str, ...]
    gaps: tuple[Text, ...]


@dataclass(frozen=True)
class Reference:
    """One row of `sources.csv`: the short name that values cite, what it is, and where it was read."""

    id: str
    what: str
    address: str


def rule_values(
    month: str, insurances: Iterable[str], scheme: str, known_on: date, tables: ContributionTables
) -> list[RuleValue]:
    """The values of each insurance (codes or groups) for the month "YYYY-MM" as known on a day, in the order of the
    bill. PolicyGap for an insurance that has no billing line."""
    return [_value(month, tables.lines[i], scheme, known_on, tables) for i in tables.expand(insurances)]


def _value(month: str, line: BillingLine, scheme: str, known_on: date, tables: ContributionTables) -> RuleValue:
    gaps: list[Text] = []
    limit: Limit | None = None
    rate: Rate | None = None
    of_last_year = expired = False
    try:
        limit, of_last_year = limit_for(line.limits, scheme, month, known_on, tables)
    except PolicyGap as gap:
        gaps.append(gap.text)
    try:
        rate, expired = rate_for(line.insurance, scheme, month, known_on, tables)
    except PolicyGap as gap:
        gaps.append(gap.text)
    rows = [r for r in (limit, rate) if r is not None]
    unsure = any(not r.sample and publication_unsure(r, known_on, tables) for r in rows)
    flags = {
        SAMPLE: any(r.sample for r in (line, *rows)),
        LIMIT_OF_LAST_YEAR: of_last_year,
        EXPIRED_RATE_IN_USE: expired,
        REVIEW_OVERDUE: any(r.review_by is not None and known_on > r.review_by for r in rows),
        PROVISIONAL: first_day(month) > known_on or unsure,
    }
    return RuleValue(line, limit, rate, tuple(f for f, on in flags.items() if on), tuple(gaps))


def references(texts: Texts) -> dict[str, Reference]:
    """The sources by each short name they are cited by."""
    found: dict[str, Reference] = {}
    for row in csv.DictReader(io.StringIO(text_of(texts, "sources.csv"))):
        for short in _IDS.findall(row["id"]):
            found[short] = Reference(row["id"], row["what"], row["address"])
    return found


def cited(sources: Sequence[str], known: Mapping[str, Reference]) -> list[Reference]:
    """The sources that these texts cite by their short names, each once, in the order of the texts."""
    found = [known[short] for source in sources for short in _IDS.findall(source) if short in known]
    return list(dict.fromkeys(found))
