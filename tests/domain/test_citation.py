"""Sources in the words of the reader: no short name and no English among Chinese, no Chinese outside a quoted name."""

import re
from datetime import date
from typing import Any

import pytest

import policies
from domain.calculations import CALCULATIONS
from domain.calculations.base import Context, Rules
from domain.citation import citation, in_words, source_step
from domain.deadlines import compute
from domain.policy import snapshot
from schemas.deadlines import DeadlineRule, DerivationStep, Unit

TEXTS = policies.read_all()
RULES = snapshot(TEXTS)
CONTEXT = Context(Rules(TEXTS), date(2026, 11, 24))
CHINESE = re.compile(r"[\u3400-\u9fff]")
# Latin letters in a Chinese sentence: none but signs of a formula and what the input itself is called.
LATIN = re.compile(r"[A-Za-z]{2,}|[A-Z]\d")


@pytest.mark.parametrize(
    ("source", "zh", "en"),
    [
        ("经办条例 art.10", "经办条例第10条", "《经办条例》 art.10"),
        ("社会保险法 arts 60, 62; 征缴条例 art.10", "社会保险法第60、62条；征缴条例第10条",
         "《社会保险法》 arts 60, 62; 《征缴条例》 art.10"),
        ("社会保险法 arts 45-46", "社会保险法第45至46条", "《社会保险法》 arts 45-46"),
        ("全国人大常委会决定 2024-09-13 (RET)", "全国人大常委会决定 2024-09-13", "《全国人大常委会决定》 2024-09-13"),
        ("school rule", "校内规定", "school rule"),
        ("成都 2025 (MAT-CD); 成都市规定", "成都 2025；成都市规定", "Chengdu 2025; 《成都市规定》"),
        ("泸州广元 4285, 成都市 4361", "泸州广元 4285, 成都市 4361", "Luzhou, Guangyuan 4285, Chengdu 4361"),
        ("社会保险法 art.60; 征缴条例 art.12; the day: school rule",
         "社会保险法第60条；征缴条例第12条；具体日期：校内规定",
         "《社会保险法》 art.60; 《征缴条例》 art.12; the day: school rule"),
        ("外国人参保暂行办法 (人社部令16) art.4", "外国人参保暂行办法 (人社部令16)第4条",
         "《外国人参保暂行办法 (人社部令16)》 art.4"),
    ],
)  # fmt: skip
def test_a_source_is_said_in_both_languages(source: str, zh: str, en: str) -> None:
    said = citation(source)
    assert (said.zh, said.en) == (zh, en)
    again = in_words(said.zh), in_words(said.en)
    assert (again[0].zh, again[1].en) == (zh, en)  # said twice, it stays


def test_short_names_stay_where_a_list_explains_them() -> None:
    assert in_words("全国人大常委会决定 2024-09-13 (RET)").zh == "全国人大常委会决定 2024-09-13 (RET)"


def steps_of(answer: Any) -> list[DerivationStep]:
    """Every derivation in an answer, wherever it stands."""
    if isinstance(answer, DerivationStep):
        return [answer]
    if isinstance(answer, dict):
        return [s for v in answer.values() for s in steps_of(v)]
    if isinstance(answer, list | tuple):
        return [s for v in answer for s in steps_of(v)]
    fields = getattr(type(answer), "model_fields", None)
    return [s for name in fields for s in steps_of(getattr(answer, name))] if fields else []


def one_language(step: DerivationStep) -> None:
    assert not LATIN.search(step.text.zh), step.text.zh
    assert not CHINESE.search(re.sub(r"《[^》]*》", "", step.text.en)), step.text.en


@pytest.mark.parametrize("name", sorted(CALCULATIONS))
def test_each_calculation_explains_itself_in_one_language_a_line(name: str) -> None:
    calculation = CALCULATIONS[name]
    seen = 0
    for example in calculation.examples:
        steps = steps_of(calculation.run(calculation.input.model_validate(example), CONTEXT))
        for step in steps:
            one_language(step)
        seen += len(steps)
    assert seen or not any("steps" in f for f in calculation.output.model_fields), name


def test_the_exemption_of_a_region_names_its_order_in_words() -> None:
    regional = CONTEXT.rules.treaties.regional
    assert regional is not None
    one_language(source_step(regional.source))


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda r: r.id)
def test_each_deadline_explains_itself_in_one_language_a_line(rule: DeadlineRule) -> None:
    of_month = rule.unit in (Unit.DAY_OF_MONTH, Unit.LAST_WORKING_DAY_OF_MONTH)
    one_language(source_step(rule.source))
    if rule.n is None and not of_month:
        return  # no law names its days: it has a source and no date
    for step in compute(rule, "2026-11" if of_month else date(2026, 11, 3), RULES, remaining_steps=[]).derivation:
        one_language(step)
