"""Retirement of the gradual scheme (全国人大常委会决定 2024-09-13): statutory month, minimum months, elastic window.

Everything is dated data; nothing is known here but the arithmetic. Only year and month of birth matter. The first
cohort is already delayed by one month: the common wrong version forgets it. Whether somebody retires is their choice or
an agreement: these functions say what is possible, never what will happen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from domain.policy import PolicyError
from domain.times import add_to_month
from schemas.base import Text

STANDARD = "standard"  # the track of whoever has no other
MONTHS_A_YEAR = 12  # lint: allow law-number - a year has twelve months

NO_ELASTIC = "no_elastic_retirement"
TOO_EARLY = "before_elastic_window"
TOO_LATE = "after_elastic_window"
TOO_FEW_MONTHS = "contribution_months_missing"
NO_AGREEMENT = "agreement_missing"
NOT_FOR_GROUP = Text(
    zh="该口径不适用于此类人员，请改选“按本人岗位”。", en="This track is not for the group: choose the standard one."
)
REASONS: Mapping[str, Text] = {
    NO_ELASTIC: Text(
        zh="所选月份早于弹性退休制度实施，须按法定时间退休", en="no choice before the elastic scheme began"
    ),
    TOO_EARLY: Text(zh="早于可选择的最早月份", en="earlier than the earliest month that may be chosen"),
    TOO_LATE: Text(zh="晚于可延迟的最晚月份", en="later than the latest month of postponement"),
    TOO_FEW_MONTHS: Text(zh="届时缴费月数未达到最低缴费年限", en="fewer months of contribution than needed by then"),
    NO_AGREEMENT: Text(zh="延迟退休须由单位与本人书面协商一致", en="postponement needs a written agreement"),
}


@dataclass(frozen=True)
class RetirementGroup:
    """One line of `age_limits.yaml`: age in years before the scheme, first cohort "YYYY-MM", births a step, most
    months."""

    base_years: int
    first_cohort: str
    step: int
    max_delay_months: int
    code: str = ""


# Months of a deadline rule by the first month in which it holds ("" where that is not known), the oldest first.
DatedMonths = Sequence[tuple[str, int]]


@dataclass(frozen=True)
class ElasticRule:
    """The choice around the statutory month, for retirements from `valid_from` ("YYYY-MM") on; all in months. ELAS.

    How long before the retirement notice and agreement must be there are deadline rules of their own, with own dates.
    """

    valid_from: str
    early_months: int
    late_months: int
    notice_months: DatedMonths
    agreement_months: DatedMonths
    source: str
    published_on: date | None = None


@dataclass(frozen=True)
class Track:
    """How one person retires when not by the own post: whose group counts, or a fixed age; from whose group's window
    the earliest month is chosen. Set per person by HR; a sample where the law is silent (women with senior titles)."""

    id: str
    title: Text
    group: str | None
    fixed_years: int | None
    choose_from: str | None
    of_groups: tuple[str, ...]
    source: str
    sample: bool

    def fits(self, group: str) -> bool:
        """Whether it may be set for people of this group (its code)."""
        return group in self.of_groups or not (self.group or self.fixed_years)


@dataclass(frozen=True)
class RetirementRules:
    """`groups` by their code (male60, female55, female50), `minimum`: year -> months of contribution needed."""

    groups: Mapping[str, RetirementGroup]
    elastic: Sequence[ElasticRule]
    minimum: Mapping[int, int]
    tracks: Mapping[str, Track]


@dataclass(frozen=True)
class Choice:
    """Whether a chosen month is possible. `needed`: months of contribution that must be reached by then, where they are
    missing or were not told. The notices are months "YYYY-MM" by which something must be in writing."""

    allowed: bool
    reason: str | None = None
    needed: int | None = None
    notice_no_later_than: str | None = None
    written_agreement_no_later_than: str | None = None


@dataclass(frozen=True)
class Retirement:
    """The statutory month of one person and what may be chosen around it. `elastic`: earliest and latest month."""

    delay: int
    age_months: int
    month: str
    min_months: int
    elastic: tuple[str, str] | None
    rule: ElasticRule | None

    @property
    def age(self) -> str:
        """60y1m."""
        return f"{self.age_months // MONTHS_A_YEAR}y{self.age_months % MONTHS_A_YEAR}m"


def delay_months(birth_month: str, group: RetirementGroup) -> int:
    """Months by which retirement is later than the old age, for a birth in "YYYY-MM"."""
    since = month_number(birth_month) - month_number(group.first_cohort)
    return 0 if since < 0 else min(since // group.step + 1, group.max_delay_months)


def statutory_month(birth_month: str, group: RetirementGroup) -> str:
    """The month "YYYY-MM" of statutory retirement."""
    return add_to_month(birth_month, group.base_years * MONTHS_A_YEAR + delay_months(birth_month, group))


def month_by_track(
    birth_month: str, group: RetirementGroup, groups: Mapping[str, RetirementGroup], track: Track | None
) -> str:
    """The month "YYYY-MM" of statutory retirement, by the own group or the person's track. `groups` by their code."""
    return add_to_month(birth_month, _age(birth_month, group, groups, track)[2])


def _age(
    birth_month: str, group: RetirementGroup, groups: Mapping[str, RetirementGroup], track: Track | None
) -> tuple[RetirementGroup, int, int]:
    """Whose group counts, by how many months it is later, and the age in months."""
    counting = groups[track.group] if track and track.group else group
    if track and track.fixed_years:
        return counting, 0, track.fixed_years * MONTHS_A_YEAR
    delay = delay_months(birth_month, counting)
    return counting, delay, counting.base_years * MONTHS_A_YEAR + delay


def minimum_months(month: str, rules: RetirementRules) -> int:
    """Months of contribution needed by who retires in `month`: those of its year; before the table's first year its
    first value, after the last its last (决定 art. 2)."""
    if not rules.minimum:
        raise PolicyError("缺少最低缴费年限数据。", "There are no minimum contribution months.")
    years = sorted(rules.minimum)
    return rules.minimum[max((y for y in years if y <= int(month[:4])), default=years[0])]


def retirement(
    birth_month: str, group: RetirementGroup, rules: RetirementRules, track: Track | None = None
) -> Retirement:
    """The statutory month of a birth in "YYYY-MM", by the own group or the person's track, with the elastic window:
    earliest = the later of statutory month less the early months and of the old age; none where the statutory month
    lies before the elastic scheme."""
    counting, delay, age = _age(birth_month, group, rules.groups, track)
    month = add_to_month(birth_month, age)
    begun = [r for r in rules.elastic if r.valid_from <= month]
    rule = max(begun, key=lambda r: (r.valid_from, r.published_on or date.min), default=None)
    elastic = None
    if rule is not None:
        start, chooser = month, counting
        if track and track.choose_from:
            chooser = rules.groups[track.choose_from]
            start = min(month, statutory_month(birth_month, chooser))
        old_age = add_to_month(birth_month, chooser.base_years * MONTHS_A_YEAR)
        elastic = max(add_to_month(start, -rule.early_months), old_age), add_to_month(month, rule.late_months)
    return Retirement(delay, age, month, minimum_months(month, rules), elastic, rule)


def choose(
    found: Retirement,
    chosen: str,
    rules: RetirementRules,
    *,
    contribution_months: int | None = None,
    agreement: bool | None = None,
) -> Choice:
    """Whether retiring in the month `chosen` is possible. Early is the person's own choice and needs the minimum months
    and a written notice; late needs a written agreement, made before the statutory month (ELAS)."""
    early, late = chosen < found.month, chosen > found.month
    if (early or late) and (found.elastic is None or found.rule is None):
        return Choice(False, NO_ELASTIC)
    if found.elastic and found.rule:
        if chosen < found.elastic[0]:
            return Choice(False, TOO_EARLY)
        if chosen > found.elastic[1]:
            return Choice(False, TOO_LATE)
    if late and found.rule:
        by = add_to_month(found.month, _months_on(found.rule.agreement_months, found.month))
        return Choice(bool(agreement), None if agreement else NO_AGREEMENT, written_agreement_no_later_than=by)
    notice = add_to_month(chosen, _months_on(found.rule.notice_months, chosen)) if early and found.rule else None
    minimum = minimum_months(chosen, rules)
    if contribution_months is None:
        return Choice(True, needed=minimum, notice_no_later_than=notice)
    if contribution_months < minimum:
        return Choice(False, TOO_FEW_MONTHS, minimum, notice)
    return Choice(True, notice_no_later_than=notice)


def _months_on(dated: DatedMonths, month: str) -> int:
    """What holds in a month; before all that the data hold, the oldest."""
    return next((n for since, n in reversed(dated) if since <= month), dated[0][1])


def month_number(month: str) -> int:
    """Months since year 0, to subtract one "YYYY-MM" from another."""
    return int(month[:4]) * MONTHS_A_YEAR + int(month[5:7])
