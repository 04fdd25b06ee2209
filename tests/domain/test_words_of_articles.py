"""Article lines of calculations speak one language each, for the rules whose data name the law in both."""

import re

import pytest

from domain.calculations import CALCULATIONS
from tests.domain.test_calculations import CONTEXT

ENGLISH = re.compile(r"\barts?\b|[A-Za-z]{3,}(?:[ .]+[A-Za-z]{2,})+")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
NAMED = ("late-fee", "injury-grant", "maternity-allowance", "unemployment-months")


@pytest.mark.parametrize("name", NAMED)
def test_an_article_line_holds_one_language(name: str) -> None:
    calculation = CALCULATIONS[name]
    lines = [
        s.text
        for example in calculation.examples
        for s in calculation.run(calculation.input.model_validate(example), CONTEXT).steps
        if s.kind == "article"
    ]
    assert lines
    for line in lines:
        assert not ENGLISH.search(line.zh), line.zh
        assert not CHINESE.search(line.en), line.en
