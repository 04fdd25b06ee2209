"""By whom a date was moved, in words: logins where the case writes them, names where people read them.

Invariants: the case knows logins alone, and what it wrote stays as it is; `with_names` knows exactly the phrases that
are made here, so that nothing that somebody typed is changed.
"""

import re
from collections.abc import Mapping

from schemas.base import Text
from schemas.dates import GROUND_TITLE, Ground


def extended_by(ground: Ground, actor: str) -> Text:
    """On which ground a target was extended, and by whom."""
    title = GROUND_TITLE[ground]
    return Text(zh=f"（{title.zh}；{actor}）", en=f"({title.en}; {actor})")


def decided_by(recorded: str, confirmed: str) -> Text:
    """Who recorded an authority's decision, and who confirmed it."""
    return Text(zh=f"（登记：{recorded}；确认：{confirmed}）", en=f"(recorded by {recorded}, confirmed by {confirmed})")


def _any(titles: list[str]) -> str:
    return "|".join(re.escape(title) for title in titles)


_ZH = (
    re.compile(rf"(（(?:{_any([t.zh for t in GROUND_TITLE.values()])})；)([^（）；]+)(）)"),
    re.compile(r"(（登记：)([^（）；]+)(；确认：)([^（）；]+)(）)"),
)
_EN = (
    re.compile(rf"(\((?:{_any([t.en for t in GROUND_TITLE.values()])}); )([^();]+)(\))"),
    re.compile(r"(\(recorded by )([^(),]+)(, confirmed by )([^(),]+)(\))"),
)


def with_names(text: Text, names: Mapping[str, Text]) -> Text:
    """The text with the names of these logins; a login that nobody knows stays."""
    zh, en = text.zh, text.en
    for phrase in _ZH:
        zh = phrase.sub(lambda m: "".join(names[g].zh if g in names else g for g in m.groups()), zh)
    for phrase in _EN:
        en = phrase.sub(lambda m: "".join(names[g].en if g in names else g for g in m.groups()), en)
    return Text(zh=zh, en=en)
