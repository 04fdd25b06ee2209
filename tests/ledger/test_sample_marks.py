"""A sample value is said to be one from the line through the bill to what people read."""

from dataclasses import replace

import pytest

from api import money_data
from store import database as db
from store import ledger, rule_tables
from tests.ledger.conftest import Office
from web import amounts
from web.context_view import blocks

WORDS = {"zh": ("使用样例参数", "是"), "en": ("Sample rules used", "yes")}


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_limits_of_2026_are_a_sample_on_the_bill_and_on_both_pages(office: Office, lang: str) -> None:
    case = await office.case()
    ref = await office.billed(case)
    assert ref.sample
    async with db.session() as s:
        context = await money_data.bill(s, ref.bill_id)
        own = await amounts.of_person(s, case.person_id)
    assert context["sample"] and all(line["sample"] for line in context["lines"])
    facts = {label: value for block in blocks(context, {}, lang) for label, value, _ in block.facts}
    name, yes = WORDS[lang]
    assert facts[name] == yes
    assert own and all(a.sample for a in own)


async def test_confirmed_values_carry_no_mark(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = rule_tables.load()
    tables = loaded.contributions
    confirmed = replace(
        loaded,
        contributions=replace(
            tables,
            limits=[replace(x, sample=False) for x in tables.limits],
            rates=[replace(x, sample=False) for x in tables.rates],
            lines={k: replace(x, sample=False) for k, x in tables.lines.items()},
        ),
    )
    monkeypatch.setattr(rule_tables, "load", lambda: confirmed)
    ref = await office.billed(await office.case())
    async with db.session() as s:
        context = await money_data.bill(s, ref.bill_id)
        lines = await ledger.lines_of_bill(s, ref.bill_id)
    assert not ref.sample and not context["sample"] and lines
    assert not any("sample" in x.flags for x in lines)
