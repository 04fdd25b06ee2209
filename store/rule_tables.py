"""The parsed tables of the rules: limits and rates, late fee, categories, treaties, checks of a hire.

Parsed anew only when the rules have changed. Calendars and deadlines are in `store/policies.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from domain import benefit_tables, policy_findings, tables
from domain.calculations import Rules
from domain.contributions import ContributionTables
from domain.enrolment_checks import CheckRules
from domain.exemptions import TreatyTable
from domain.late_fee import LateFeeRate
from domain.materials import RejectionReason
from domain.retirement import RetirementRules
from store.policies import Stamp, stamp, texts


@dataclass(frozen=True)
class RuleTables:
    """`categories`: category -> (pension scheme, insurances or groups)."""

    contributions: ContributionTables
    late_fees: list[LateFeeRate]
    categories: Mapping[str, tuple[str, list[str]]]
    treaties: TreatyTable
    checks: CheckRules
    reasons: Mapping[str, RejectionReason]
    retirement: RetirementRules


def load() -> RuleTables:
    """The tables in force. PolicyError when a file is missing or broken."""
    return _parsed(stamp())


@lru_cache(maxsize=2)
def _parsed(stamp: Stamp) -> RuleTables:
    del stamp  # part of the cache's key: other rules are other tables
    found = texts()
    with policy_findings.in_words(found):
        return parse(found)


def parse(texts: Mapping[str, str]) -> RuleTables:
    """The tables of some texts: those in force, or those that a change would make."""
    return RuleTables(
        contributions=tables.contribution_tables(texts),
        late_fees=tables.late_fee_rates(texts),
        categories=tables.category_insurances(texts),
        treaties=tables.treaty_table(texts),
        checks=tables.check_rules(texts),
        reasons=tables.rejection_reasons(texts),
        retirement=benefit_tables.retirement_rules(texts),
    )


def rules() -> Rules:
    """The rule files for calculations; tables are parsed when first asked for."""
    return _rules(stamp())


@lru_cache(maxsize=2)
def _rules(stamp: Stamp) -> Rules:
    del stamp
    return Rules(texts())
