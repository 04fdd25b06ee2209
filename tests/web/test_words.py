"""The words of the pages: every key exists, every text is in the catalogue, nothing of it is unused."""

import ast
import re
from pathlib import Path

import jinja2
import pytest
import yaml

import policies
from domain.forecast import NAMES
from schemas.base import ROLES
from schemas.countersign import roles_of
from schemas.enrolment import ForeignHire
from schemas.forms import kind_titles, kinds, outcomes_of
from store.policies import snapshot
from web import policy_view
from web.forms import preset
from web.frame import TEMPLATES, words
from web.language import catalogue, load
from web.show import cite

WEB = Path(__file__).parent.parent.parent / "web"
CALL = re.compile(r"""\b(?:t|translate\(lang,|visit\.t|self\.t)\(?\s*['"]([a-z_0-9]+)['"]\s*[,)}]""")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
SPOKEN = ("title", "placeholder", "aria-label", "alt")


def product_kinds() -> list[str]:
    """The kinds of tasks of the product; the small processes of other tests have kinds of their own."""
    return [k for k in kinds() if not k.startswith("test.")]


def templates() -> list[Path]:
    return sorted((WEB / "templates").glob("*.html"))


def literals(source: str) -> list[str]:
    """Words that stand in a template itself: text between tags, and attributes that are read aloud."""
    data = "".join(str(value) for _, kind, value in TEMPLATES.lex(source) if kind == "data")
    data = re.sub(r"<!--.*?-->|<meta[^>]*>", " ", data, flags=re.S)
    found = re.findall(rf"""\b(?:{"|".join(SPOKEN)})="([^"]*[A-Za-z\u4e00-\u9fff][^"]*)\"""", data)
    text = re.sub(r"<[^>]*>", "\n", data)
    text = re.sub(r'[a-z-]+="[^"]*"| required\b', " ", text)  # attributes kept in a variable
    return found + [line.strip() for line in text.splitlines() if re.search(r"[A-Za-z\u4e00-\u9fff]", line)]


@pytest.mark.parametrize("path", templates(), ids=lambda p: p.name)
def test_a_template_holds_no_words_of_its_own(path: Path) -> None:
    assert literals(path.read_text(encoding="utf-8")) == []


def test_the_check_sees_a_word_in_a_template() -> None:
    assert literals('<p class="x">Hello {{ name }}</p>') == ["Hello"]
    assert literals('<input placeholder="姓名">') == ["姓名"]


def test_no_page_holds_chinese_outside_of_bilingual_texts() -> None:
    for path in (WEB / "pages").glob("*.py"):
        code = re.sub(r"Text\(\s*zh=.*?\)", "", path.read_text(encoding="utf-8"), flags=re.S)
        assert not CHINESE.search(code), path.name


def test_every_key_that_is_asked_for_exists() -> None:
    sources = [*templates(), *WEB.glob("*.py"), *(WEB / "pages").glob("*.py")]
    asked = {key for p in sources for key in CALL.findall(p.read_text(encoding="utf-8"))}
    assert len(asked) > 100
    assert sorted(k for k in asked if k not in catalogue() and not k.endswith("_")) == []


def test_codes_have_words() -> None:
    wanted = [f"role_{r}" for r in ROLES]
    assert [k for k in wanted if k not in catalogue()] == []


def titles_of_tasks() -> list[tuple[str, str]]:
    """Every bilingual text of the workflows, as patterns: what is filled in may be anything."""

    def pattern(node: ast.expr) -> str:
        if isinstance(node, ast.JoinedStr):
            return "".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".*" for p in node.values)
        if isinstance(node, ast.BinOp):
            return pattern(node.left) + pattern(node.right)
        if isinstance(node, ast.IfExp):
            return f"(?:{pattern(node.body)}|{pattern(node.orelse)})"
        return re.escape(str(node.value)) if isinstance(node, ast.Constant) else "$^"

    found: list[tuple[str, str]] = []
    for path in (WEB.parent / "workflows").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Text":
                words = {k.arg: pattern(k.value) for k in call.keywords}
                found.append((words["zh"], words["en"]))
    return found


def test_the_filter_of_the_inbox_speaks_as_the_titles_of_tasks_do() -> None:
    titles = titles_of_tasks()
    assert len(titles) > 30

    def said(word: str, title: str) -> bool:
        return re.fullmatch(title, word) is not None or word.lower() in re.sub(r"\\(.)", r"\1", title).lower()

    words = {k: kind_titles()[k] for k in product_kinds()}
    strange = [k for k, w in words.items() if not any(said(w.zh, zh) and said(w.en, en) for zh, en in titles)]
    assert strange == []


def test_sources_are_quoted_in_english_and_read_in_chinese() -> None:
    law = "外国人参保暂行办法 (人社部令16)"
    assert cite("en", f"Source: {law} art.4") == [("Source: ", False), (f"《{law}》", True), (" art.4", False)]
    assert cite("en", "Source: school rule") == [("Source: school rule", False)]
    assert cite("zh", "依据：社会保险法 arts 60, 62; the day: school rule") == [
        ("依据：社会保险法第60、62条；具体日期：校内规定", False)
    ]
    for rule in yaml.safe_load(policies.read("deadlines.yaml"))["rules"]:
        zh = "".join(words for words, _ in cite("zh", f"依据：{rule['source']}"))
        assert not re.search(r"[A-Za-z]{3}", zh), zh
        en = "".join(words for words, named in cite("en", f"Source: {rule['source']}") if not named)
        assert len(CHINESE.findall(en)) <= 1, en


def test_english_words_are_english_and_chinese_words_chinese() -> None:
    for key, text in catalogue().items():
        if key != "other_language":
            assert not CHINESE.search(text.en), key
        assert sorted(re.findall(r"{(\w+)}", text.zh)) == sorted(re.findall(r"{(\w+)}", text.en)), key


def test_a_broken_catalogue_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks a language"):
        load({"a.yaml": 'x: ["中", ""]'})
    with pytest.raises(ValueError, match="twice"):
        load({"a.yaml": 'x: ["中", "a"]', "b.yaml": 'x: ["中", "a"]'})
    with pytest.raises(ValueError, match="must be"):
        load({"a.yaml": "x: 中"})


def test_templates_fail_on_an_unknown_name() -> None:
    with pytest.raises(jinja2.UndefinedError):
        TEMPLATES.from_string("{{ nothing }}").render()


def test_a_case_that_waits_for_both_levies_names_both() -> None:
    waits = ["tax_payment-school-medical-2026-11", "tax_payment-school-social-2026-11"]
    assert words("zh")["agencies"](waits) == "医保费 2026-11、社保费 2026-11"
    assert words("en")["agencies"](["social_bureau", "reimbursement"]) == "social bureau, reimbursement"


def test_a_voucher_is_called_by_levy_and_month_and_two_of_a_month_differ() -> None:
    number = "reimbursement-school-social-2026-11-35b9d158"
    assert words("zh")["case_name"](number) == "社保费 2026-11 报账 35b9d158"
    assert words("en")["case_name"](number) == "Voucher social levy 2026-11, 35b9d158"
    assert words("zh")["case_name"]("tax_payment-school-medical-2026-11") == "医保费 2026-11"
    assert words("zh")["case_name"]("FE2026-0001") == "FE2026-0001"


def test_a_plan_and_a_forecast_call_a_step_the_same() -> None:
    steps = {d.step for d in snapshot().durations}
    assert steps
    for step in steps:
        assert (words("zh")["step_name"](step), words("en")["step_name"](step)) == (NAMES[step].zh, NAMES[step].en)


def test_what_a_form_proposes_can_be_read_in_both_languages() -> None:
    proposed = {
        (name, info.default)
        for kind in product_kinds()
        for outcome in outcomes_of(kind).values()
        for form in (outcome.form, ForeignHire)
        for name, info in form.model_fields.items()
        if isinstance(info.default, str) and CHINESE.search(info.default)
    }
    assert {name for name, _ in proposed} == {"post", "budget_line"}
    for name, value in proposed:
        assert preset(name, value, "zh") == value
        assert preset(name, value, "en") != value and not CHINESE.search(preset(name, value, "en")), name
        assert preset(name, "外籍专家", "en") == "外籍专家"  # what somebody wrote stays as written


def test_who_signs_is_shown_by_title_and_named_as_people_say() -> None:
    assert policy_view.words("tax_payment_signers", "supervisor、head", "zh") == "科长、处长"
    assert policy_view.words("tax_payment_signers", "supervisor、head", "en") == "supervisor, head"
    assert policy_view.words("tax_payment_signers", "nobody", "zh") == "nobody"
    assert roles_of("科长、处长") == roles_of("主管，head") == ["supervisor", "head"]
