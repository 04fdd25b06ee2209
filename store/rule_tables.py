"""The parsed tables of the rules: limits and rates, late fee, categories, treaties, checks of a hire.

Read and parsed anew only when a file has changed. Calendars and deadlines are in `store/policies.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import policies
from domain import tables
from domain.calculations import Rules
from domain.contributions import ContributionTables
from domain.enrolment_checks import CheckRules
from domain.exemptions import TreatyTable
from domain.late_fee import LateFeeRate
from domain.materials import RejectionReason
from store.policies import stamp


@dataclass(frozen=True)
class RuleTables:
    """`categories`: category -> (pension scheme, insurances or groups)."""

    contributions: ContributionTables
    late_fees: list[LateFeeRate]
    categories: Mapping[str, tuple[str, list[str]]]
    treaties: TreatyTable
    checks: CheckRules
    reasons: Mapping[str, RejectionReason]


def load() -> RuleTables:
    """The tables in force. PolicyError when a file is missing or broken."""
    return _parsed(stamp())


@lru_cache(maxsize=2)
def _parsed(stamp: tuple[tuple[str, int, int], ...]) -> RuleTables:
    del stamp  # part of the cache's key: other files are other tables
    texts = policies.read_all()
    return RuleTables(
        contributions=tables.contribution_tables(texts),
        late_fees=tables.late_fee_rates(texts),
        categories=tables.category_insurances(texts),
        treaties=tables.treaty_table(texts),
        checks=tables.check_rules(texts),
        reasons=tables.rejection_reasons(texts),
    )


def rules() -> Rules:
    """The rule files for calculations; tables are parsed when first asked for."""
    return _rules(stamp())


@lru_cache(maxsize=2)
def _rules(stamp: tuple[tuple[str, int, int], ...]) -> Rules:
    del stamp
    return Rules(policies.read_all())
