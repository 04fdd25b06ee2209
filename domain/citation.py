"""How a source is said to a reader: the data keep it once, Chinese law with English words between ("经办条例 art.10").

Invariants: Chinese sentences read `第10条`, English ones quote the Chinese name as 《…》, for laws have no English
names; places have one and are called by it. Short names of `sources.csv` in brackets (RET) are for those who keep the
data and are not said; what was said once stays as it is when it is said again. Must not be done here: look anything up.
"""

import re

from schemas.base import Text
from schemas.deadlines import DerivationStep

# The English words between Chinese names, the longest first.
PHRASES = (
    ("local; web sources give 90, 180 days or none", "各地规定不一：网上有90天、180天或无规定"),
    ("the day: no Sichuan text found", "具体日期：未见四川省文本"),
    ("tolerance: no text found", "允许中断的月数：未见文本"),
    ("(no number of days in law)", "（未定天数）"),
    (", no number of days in law)", "，未定天数)"),
    ("(no number of days)", "（未定天数）"),
    ("number = school rule", "天数为校内规定"),
    ("(secondary copy)", "（转载文本）"),
    ("local pilot (no text found)", "地方试点（未见文本）"),
    ("the day: school rule", "具体日期：校内规定"),
    ("school rule (mid-month)", "校内规定（月中）"),
    ("school rule", "校内规定"),
    ("9 other cities have lower floors: ", "另有9个市下限较低："),
    ("and follow-up", "及其后续文件"),
    ("by analogy", "参照适用"),
    ("; days ", "；天数："),
)
_NAME = re.compile(r"《[^》]*》|“[^”]*”|([\u3400-\u9fff]{2}[\u3400-\u9fff〔〕0-9]*(?: \([\u3400-\u9fff][^)]*\))?)")
# Places that sources name, as they are written in English.
PLACES = {
    "四川": "Sichuan", "成都": "Chengdu", "泸州": "Luzhou", "广元": "Guangyuan", "雅安": "Ya'an", "内江": "Neijiang",
    "宜宾": "Yibin", "眉山": "Meishan", "遂宁": "Suining", "南充": "Nanchong", "巴中": "Bazhong", "自贡": "Zigong",
    "攀枝花": "Panzhihua", "德阳": "Deyang", "绵阳": "Mianyang", "乐山": "Leshan", "广安": "Guang'an", "达州": "Dazhou",
    "资阳": "Ziyang", "阿坝": "Aba", "甘孜": "Garzê", "凉山": "Liangshan", "北京": "Beijing", "上海": "Shanghai",
    "天津": "Tianjin", "重庆": "Chongqing", "广州": "Guangzhou", "深圳": "Shenzhen",
}  # fmt: skip
_PLACE = re.compile("|".join(PLACES))
_PLACES = re.compile(rf"(?:(?:{'|'.join(PLACES)})[省市州]?)+")
_ARTICLES = re.compile(r" ?\barts?\.? ?(\d+(?:(?:, ?|-)\d+)*)")
SHORT_NAME = r"[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*"  # of `sources.csv`
_BRACKETED = re.compile(rf" ?\({SHORT_NAME}(?:, ?{SHORT_NAME})*(, [a-z ]+)?\)")
_PAPER = re.compile(r"(?:^|; )PAPER(?: [\d.()]+)?(?=;|$)")  # the paper the product follows is no law


def citation(source: str) -> Text:
    """A kept source in both languages, without short names. Made of what is there: nothing is added to it."""
    return in_words(
        _PAPER.sub("", _BRACKETED.sub(lambda m: f" ({m[1][2:]})" if m[1] else "", source)).removeprefix("; ")
    )


def in_words(source: str) -> Text:
    """The same with its short names, where a list beside it explains them."""
    zh = source
    for en, said in PHRASES:
        zh = re.sub(rf"(?<!;) {re.escape(en)}|{re.escape(en)}", said, zh)
    zh = _ARTICLES.sub(lambda m: f"第{re.sub(', ?', '、', m[1]).replace('-', '至')}条", zh).replace("; ", "；")
    return Text(zh=zh, en=_NAME.sub(_named, source))


def _named(found: re.Match[str]) -> str:
    """A Chinese name in an English sentence: quoted, unless it is quoted already or names places alone."""
    name = found[1]
    if not name:
        return found[0]
    if _PLACES.fullmatch(name):
        return ", ".join(PLACES[place] for place in _PLACE.findall(name))
    return f"《{name}》"


def source_step(source: str, named: Text | None = None) -> DerivationStep:
    """The line of a derivation that names the law: in its own words where the data have them in both languages."""
    said = named or citation(source)
    return DerivationStep(kind="article", text=Text(zh=f"依据：{said.zh}", en=f"Source: {said.en}"))
