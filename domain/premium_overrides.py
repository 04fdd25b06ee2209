"""Tables with limits or rates of one's own in place of those of the rules, to try out what a change would cost.

Invariants: what is not replaced stays as it is; what is given holds for every month and is no sample. Where rates are
given each entry is one line of its own, in the order given.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

from domain.contributions import BillingLine, ContributionTables, Limit, PolicyGap, Rate
from domain.dated_rows import ANY_SCHEME
from schemas.base import Text

_ALWAYS = date(1900, 1, 1)


def with_limits(tables: ContributionTables, floor: Decimal, cap: Decimal) -> ContributionTables:
    """The same tables, with one floor and cap in yuan for all insurances."""
    place = tables.localities[0]
    names = {line.limits for line in tables.lines.values()}
    limits = [
        Limit(n, ANY_SCHEME, place, _ALWAYS, None, floor, cap, _ALWAYS, "", "", "given", sample=False, review_by=None)
        for n in sorted(names)
    ]
    return replace(tables, limits=limits)


def with_rates(tables: ContributionTables, rates: Mapping[str, tuple[Decimal, Decimal]]) -> ContributionTables:
    """The same tables, with the given rates (unit, person) as the only lines."""
    place = tables.localities[0]
    rows = [
        Rate(n, ANY_SCHEME, place, _ALWAYS, None, unit, own, _ALWAYS, "", "given", sample=False, review_by=None)
        for n, (unit, own) in rates.items()
    ]
    return replace(tables, lines={n: _line(n, tables) for n in rates}, groups={}, rates=rows)


def _line(name: str, tables: ContributionTables) -> BillingLine:
    """The line of an insurance or of a group as one; the limits are those of its first member."""
    members = [tables.lines[m] for m in tables.groups.get(name, (name,)) if m in tables.lines]
    if not members:
        raise PolicyGap(
            f"billing_lines.yaml 中没有险种 {name}，不知道其上下限。",
            f"billing_lines.yaml has no insurance {name}, so its limits are not known.",
        )
    title = Text(zh="、".join(m.title.zh for m in members), en=", ".join(m.title.en for m in members))
    return BillingLine(name, title, members[0].levy, members[0].limits, sample=False)
