"""Every policy file read and checked at once; what a file means stands with its table."""

from domain.benefit_tables import check_benefits
from domain.notices import check_notice_files
from domain.policy import Texts, snapshot
from domain.premium_tables import make_up_practices, undeclared_factors
from domain.tables import (
    category_insurances,
    check_rules,
    contribution_tables,
    filing_table,
    late_fee_rates,
    rejection_reasons,
    treaty_table,
)


def check_all(texts: Texts) -> str:
    """Parses every file and so refuses a broken one; gives the version of the snapshot."""
    tables = contribution_tables(texts)
    for _, insurances in category_insurances(texts).values():
        tables.expand(insurances)
    for parse in (late_fee_rates, filing_table, treaty_table, rejection_reasons, check_rules, check_benefits):
        parse(texts)
    undeclared_factors(texts)
    make_up_practices(texts)
    check_notice_files(texts)
    return snapshot(texts).version
