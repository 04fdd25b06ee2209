"""The words of the pages: every key exists, every text is in the catalogue, nothing of it is unused."""

import re
from pathlib import Path

import jinja2
import pytest

from schemas.base import ROLES
from schemas.forms import kinds
from web.frame import TEMPLATES
from web.language import catalogue, load

WEB = Path(__file__).parent.parent.parent / "web"
CALL = re.compile(r"""\b(?:t|translate\(lang,|visit\.t|self\.t)\(?\s*['"]([a-z_0-9]+)['"]\s*[,)}]""")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
SPOKEN = ("title", "placeholder", "aria-label", "alt")


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
    wanted = [f"role_{r}" for r in ROLES] + [f"kind_{k.replace('.', '_')}" for k in kinds()]
    assert [k for k in wanted if k not in catalogue()] == []


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
