"""The two languages of the pages: the catalogue of words. Which one a request gets says `api.problems.language_of`.

Invariants: a key has both languages or the catalogue does not load; words live in
`web/locale/*.yaml` (key: [中文, English]) and nowhere in a template. Bilingual data (`schemas.base.Text`) brings its
own two languages along and is picked by `pick`.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

from schemas.base import Text

LOCALE = Path(__file__).parent / "locale"
LANGUAGES = ("zh", "en")
COOKIE = "lang"


def load(texts: Mapping[str, str]) -> dict[str, Text]:
    """The catalogue from the texts of its files. ValueError names a key that is double or lacks a language."""
    found: dict[str, Text] = {}
    for name, text in texts.items():
        for key, pair in cast("dict[str, Any]", yaml.safe_load(text)).items():
            if not (isinstance(pair, list) and len(cast("list[Any]", pair)) == len(LANGUAGES)):
                raise ValueError(f"{name}: {key} must be [中文, English].")
            zh, en = (str(part) for part in cast("list[Any]", pair))  # as written: a separator ends with a space
            if not zh.strip() or not en.strip():
                raise ValueError(f"{name}: {key} lacks a language.")
            if key in found:
                raise ValueError(f"{name}: {key} stands in the catalogue twice.")
            found[key] = Text(zh=zh, en=en)
    return found


@cache
def catalogue() -> dict[str, Text]:
    """All words of the pages."""
    return load({p.name: p.read_text(encoding="utf-8") for p in sorted(LOCALE.glob("*.yaml"))})


def translate(lang: str, key: str, /, **values: object) -> str:
    """The words of a key; `values` fill its {places}. KeyError for an unknown key: a page must not show a key."""
    text = getattr(catalogue()[key], lang)
    return text.format(**values) if values else text


def has(key: str) -> bool:
    """Whether the catalogue knows a key (for codes that come as data)."""
    return key in catalogue()


def pick(lang: str, text: object) -> str:
    """One language of a bilingual value: `Text`, a mapping {zh, en}, or a plain string as it stands; None is empty."""
    if text is None:
        return ""
    if isinstance(text, Text):
        return getattr(text, lang)
    if isinstance(text, Mapping):
        both = cast("Mapping[str, Any]", text)
        return str(both.get(lang) or both.get("zh") or "")
    return str(text)
