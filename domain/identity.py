"""Identity numbers: cleaning what was typed, recognising its kind, checking it by the standard of its kind.

Standards: GB 11643 (resident identity number; the same for residence permits of HK/Macao/Taiwan and, with first digit
9, for permanent-resident cards from 2023-12), ICAO 9303 check digit (permanent-resident cards of 2017). A passport
number has no check digit. `normalise` repairs and reports each repair; `check` refuses and names the rule that
failed; `identify` does it for a number whose kind nobody named and says what the number tells of its holder. Never log
or put into a message the number itself.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from schemas.base import Text


class IdKind(StrEnum):
    CN_RESIDENT_ID = "CN_RESIDENT_ID"
    HMT_RESIDENCE_PERMIT = "HMT_RESIDENCE_PERMIT"
    HK_MACAO_TRAVEL_PERMIT = "HK_MACAO_TRAVEL_PERMIT"
    TAIWAN_TRAVEL_PERMIT = "TAIWAN_TRAVEL_PERMIT"
    FOREIGN_PR_CARD_2017 = "FOREIGN_PR_CARD_2017"
    FOREIGN_PR_CARD_2023 = "FOREIGN_PR_CARD_2023"
    PASSPORT = "PASSPORT"
    FOREIGN_SSN = "FOREIGN_SSN"


@dataclass(frozen=True)
class Repair:
    """Something that was mended in a value: full_width, blanks, quote, upper."""

    code: str
    text: Text


@dataclass(frozen=True)
class Normalised:
    value: str
    repairs: tuple[Repair, ...]


@dataclass(frozen=True)
class IdentityResult:
    """`rule` names what failed (None when valid); `text` is the sentence for people, without the number.

    Only where the number is valid and tells it: birth, sex (male, female), province (two digits of GB/T 2260), country
    (alpha-3).
    """

    kind: IdKind
    value: str
    valid: bool
    rule: str | None = None
    text: Text | None = None
    birth: date | None = None
    sex: str | None = None
    province: str | None = None
    country: str | None = None


@dataclass(frozen=True)
class Patterns:
    """What is data: patterns (`identity.yaml`), mainland provinces (`provinces.csv`), countries by number
    (`countries.csv`)."""

    passport: str
    foreign_ssn: str
    provinces: Collection[str]
    numeric_countries: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Identified:
    """A number and what it tells. `form`: of permits of HK/Macao/Taiwan people which permit, of resident numbers
    18_digits or 15_digits. `suggestion`: the number of 18 characters for a valid old one of 15."""

    result: IdentityResult
    form: str | None = None
    suggestion: str | None = None

    @property
    def reason(self) -> str | None:
        """Why it is not valid: length, format, date, area or check_digit."""
        return _REASONS[self.result.rule] if self.result.rule else None


_BLANKS = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]+")
_REPAIRS = {
    "full_width": Text(zh="全角字符已转为半角", en="full-width characters were converted"),
    "quote": Text(zh="已去掉号码前后的引号", en="quotation marks around the number were removed"),
    "blanks": Text(zh="已去掉号码中的空格", en="blanks in the number were removed"),
    "upper": Text(zh="小写字母已转为大写", en="lower-case letters were converted"),
}
_MENDERS: dict[str, Callable[[str], str]] = {
    "full_width": lambda v: unicodedata.normalize("NFKC", v),
    "quote": lambda v: v.strip("'\"`‘’“”"),
    "blanks": lambda v: _BLANKS.sub("", v),
    "upper": str.upper,
}
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # lint: allow law-number - the standard GB 11643
_CHECKS = "10X98765432"
LONG, SHORT = 18, 15  # characters of a number now, and of one before 1999 (GB 11643)
_HK_MACAO = r"[HM][0-9]{8}([0-9]{2})?"
_TAIWAN = r"[0-9]{8}|[0-9]{10}[A-Z]"
_HMT_AREAS = frozenset(("810000", "820000", "830000"))

_RULES: dict[str, tuple[str, str]] = {
    "blank_inside": ("号码中含有空格，请去掉空格", "the number has a blank inside; remove it"),
    "empty": ("号码为空，请填写", "the number is empty; fill it in"),
    "characters": (
        "含有该证件不使用的字符，请核对证件",
        "it holds characters that this document does not use; check the document",
    ),
    "length": ("位数不对，请核对证件", "it has the wrong number of characters; check the document"),
    "old_number": ("是15位旧号码，请填写18位号码", "it is an old number of 15 digits; give the one of 18"),
    "area": ("地区代码不存在，请核对证件", "its area code does not exist; check the document"),
    "prefix": ("不以9开头，不是新版永居证号码", "it does not start with 9, so it is no new permanent-resident card"),
    "country": ("国家代码不存在，请核对证件", "its country code does not exist; check the document"),
    "birth": ("其中的出生日期不存在，请核对证件", "the date of birth in it does not exist; check the document"),
    "birth_future": (
        "其中的出生日期在将来，请核对证件",
        "the date of birth in it lies in the future; check the document",
    ),
    "check_digit": (
        "校验位不符，请逐位核对证件",
        "its check digit is wrong; compare it with the document digit by digit",
    ),
    "pattern": ("不符合该号码的格式，请核对证件", "it does not have the form of such a number; check the document"),
}
_REASONS = {
    "blank_inside": "format",
    "empty": "length",
    "characters": "format",
    "length": "length",
    "old_number": "length",
    "area": "area",
    "prefix": "format",
    "country": "area",
    "birth": "date",
    "birth_future": "date",
    "check_digit": "check_digit",
    "pattern": "format",
}
_FORMS = {
    IdKind.CN_RESIDENT_ID: "18_digits",
    IdKind.HMT_RESIDENCE_PERMIT: "residence_permit",
    IdKind.HK_MACAO_TRAVEL_PERMIT: "hk_macao_travel_permit",
    IdKind.TAIWAN_TRAVEL_PERMIT: "taiwan_travel_permit",
}
_TITLES = {
    IdKind.CN_RESIDENT_ID: ("居民身份证号码", "Resident identity number"),
    IdKind.HMT_RESIDENCE_PERMIT: ("港澳台居民居住证号码", "HK/Macao/Taiwan residence permit number"),
    IdKind.HK_MACAO_TRAVEL_PERMIT: ("港澳居民来往内地通行证号码", "HK/Macao travel permit number"),
    IdKind.TAIWAN_TRAVEL_PERMIT: ("台湾居民来往大陆通行证号码", "Taiwan travel permit number"),
    IdKind.FOREIGN_PR_CARD_2017: ("外国人永久居留身份证号码", "Permanent-resident card number (2017)"),
    IdKind.FOREIGN_PR_CARD_2023: ("外国人永久居留身份证号码", "Permanent-resident card number (2023)"),
    IdKind.PASSPORT: ("护照号码", "Passport number"),
    IdKind.FOREIGN_SSN: ("外国人社会保障号码", "Foreigner's social-security number"),
}


def normalise(raw: str) -> Normalised:
    """Half width, without blanks and enclosing quotes, upper case; each repair is reported once."""
    value = raw.strip()  # blanks around a cell's value are no repair worth telling
    done: dict[str, Repair] = {}
    before = None
    while before != value:  # one repair can uncover another: a quote behind a blank, an accent behind a blank
        before = value
        for code, repair in _MENDERS.items():
            changed = repair(value)
            if changed != value:
                done.setdefault(code, Repair(code, _REPAIRS[code]))
                value = changed
    return Normalised(value, tuple(done.values()))


def check(
    kind: IdKind, raw: str, *, today: date, patterns: Patterns, countries: Collection[str] | None = None
) -> IdentityResult:
    """Checks a number by the standard of its kind. Width and case do not matter; a blank inside is a fault here (an
    import calls `normalise` first and says so). `countries` are alpha-3 codes, to check those inside a number where
    given."""
    value = plain(raw)
    if not value:
        return _fail(kind, value, "empty")
    if _BLANKS.search(value):
        return _fail(kind, value, "blank_inside")
    if kind is IdKind.PASSPORT:
        return _by_pattern(kind, value, patterns.passport)
    if kind is IdKind.FOREIGN_SSN:
        found = _by_pattern(kind, value, patterns.foreign_ssn)
        known = countries is not None and value[:3] in countries
        return replace(found, country=value[:3]) if found.valid and known else found
    if kind is IdKind.FOREIGN_PR_CARD_2017:
        return _card_2017(value, today, patterns, countries)
    travel = _TRAVEL.get(kind)
    return travel(kind, value) if travel else _gb11643(kind, value, today, patterns)


def plain(raw: str) -> str:
    """Half width, upper case, without blanks around; nothing inside is removed. Doing it twice changes nothing."""
    before, value = None, raw
    while before != value:
        before, value = value, unicodedata.normalize("NFKC", value).strip().upper()
    return value


def identify(
    raw: str,
    kinds: Collection[IdKind] = (),
    *,
    today: date,
    patterns: Patterns,
    countries: Collection[str] | None = None,
) -> Identified:
    """Checks a number as the one of `kinds` that fits its shape, or as what its shape says when none is given."""
    value = plain(raw)
    kind = recognise(value, patterns, countries, kinds)
    result = check(kind, value, today=today, patterns=patterns, countries=countries)
    if result.rule == "old_number":
        newer = upgrade_15(value)
        upgraded = check(kind, newer, today=today, patterns=patterns)
        return Identified(result, "15_digits", newer if upgraded.valid else None)
    return Identified(result, _FORMS.get(kind))


def recognise(
    value: str, patterns: Patterns, countries: Collection[str] | None = None, kinds: Collection[IdKind] = ()
) -> IdKind:
    """The kind whose shape a plain value has, among `kinds` or all; the first of them when it has the shape of none."""
    allowed = list(kinds) or list(IdKind)
    if len(allowed) == 1:
        return allowed[0]
    fitting = [kind for kind, fits in _shapes(value, patterns, countries) if fits and kind in allowed]
    return fitting[0] if fitting else allowed[0]


def _shapes(value: str, patterns: Patterns, countries: Collection[str] | None) -> list[tuple[IdKind, bool]]:
    """The most telling shapes first: a travel permit also looks like a passport, a card of 2017 like a foreigner's
    number (whose fourth character is normally 0, which no place code begins with)."""
    long = len(value) == LONG and value[:-1].isdigit()
    digits = value[:-1].isdigit() and (value[-1:].isdigit() or value[-1:] == "X")
    named = value[:3].isalpha() and (countries is None or value[:3] in countries)
    card = bool(re.fullmatch(r"[A-Z]{3}[1-9][0-9]{11}", value))
    return [
        (IdKind.FOREIGN_PR_CARD_2023, long and value[0] == "9"),
        (IdKind.HMT_RESIDENCE_PERMIT, long and value[0] == "8"),
        (IdKind.CN_RESIDENT_ID, long or (len(value) == SHORT and value.isdigit())),
        (IdKind.FOREIGN_PR_CARD_2017, card),
        (IdKind.HK_MACAO_TRAVEL_PERMIT, bool(re.fullmatch(_HK_MACAO, value))),
        (IdKind.TAIWAN_TRAVEL_PERMIT, bool(re.fullmatch(_TAIWAN, value))),
        (IdKind.FOREIGN_SSN, named and value[3:4] == "0" and bool(re.fullmatch(patterns.foreign_ssn, value))),
        (IdKind.PASSPORT, bool(re.fullmatch(patterns.passport, value))),
        (IdKind.FOREIGN_SSN, bool(re.fullmatch(patterns.foreign_ssn, value))),
        (IdKind.CN_RESIDENT_ID, digits),
        (IdKind.PASSPORT, True),
        # only where the kinds are named: the permit that somebody who wrote this had in mind
        (IdKind.HK_MACAO_TRAVEL_PERMIT, len(value) < SHORT and value[:1].isalpha()),
        (IdKind.TAIWAN_TRAVEL_PERMIT, 0 < len(value) < SHORT),
    ]


def gb11643_check(first17: str) -> str:
    """The check character of 17 digits (GB 11643)."""
    return _CHECKS[sum(int(c) * w for c, w in zip(first17, _WEIGHTS, strict=True)) % 11]


def icao_check(text: str) -> str:
    """The check digit of ICAO 9303: weights 7, 3, 1, letters A = 10 to Z = 35."""
    return str(sum(int(c, 36) * (7, 3, 1)[i % 3] for i, c in enumerate(text)) % 10)


def upgrade_15(value: str) -> str:
    """The number of 18 characters for an old one of 15 digits. ValueError when it is none."""
    if not re.fullmatch(r"[0-9]{15}", value):
        raise ValueError("An old identity number has 15 digits. 旧身份证号码应为15位数字。")
    first17 = f"{value[:6]}19{value[6:]}"
    return first17 + gb11643_check(first17)


def name_key(name: str) -> str:
    """Names that differ only in accents, case, blanks, width or order have the same key (SMITH JOHN, John Smith)."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return " ".join(sorted(re.findall(r"\w+", plain.upper())))


def _fail(kind: IdKind, value: str, rule: str) -> IdentityResult:
    (title_zh, title_en), (zh, en) = _TITLES[kind], _RULES[rule]
    return IdentityResult(kind, value, False, rule, Text(zh=f"{title_zh}：{zh}。", en=f"{title_en}: {en}."))


def _by_pattern(kind: IdKind, value: str, pattern: str) -> IdentityResult:
    if re.fullmatch(pattern, value):
        return IdentityResult(kind, value, True)
    return _fail(kind, value, "length" if _fits_at_another_length(value, pattern) else "pattern")


def _fits_at_another_length(value: str, pattern: str) -> bool:
    """Whether letters and digits alone, cut off at their end or continued, have the form: only the length is wrong."""
    if not (value.isascii() and value.isalnum()):
        return False
    cut = (value[:n] for n in range(1, len(value)))
    continued = (value + value[-1] * n for n in range(1, LONG))
    return any(re.fullmatch(pattern, other) for other in (*cut, *continued))


def _travel_permit(pattern: str) -> Callable[[IdKind, str], IdentityResult]:
    return lambda kind, value: _by_pattern(kind, value, pattern)


_TRAVEL = {
    IdKind.HK_MACAO_TRAVEL_PERMIT: _travel_permit(_HK_MACAO),
    IdKind.TAIWAN_TRAVEL_PERMIT: _travel_permit(_TAIWAN),
}


def _gb11643(kind: IdKind, value: str, today: date, patterns: Patterns) -> IdentityResult:
    if kind is IdKind.CN_RESIDENT_ID and re.fullmatch(r"[0-9]{15}", value):
        return _fail(kind, value, "old_number")
    if len(value) != 18:
        return _fail(kind, value, "length")
    if not re.fullmatch(r"[0-9]{17}[0-9X]", value):
        return _fail(kind, value, "characters")
    area = value[:6]
    if kind is IdKind.FOREIGN_PR_CARD_2023 and not area.startswith("9"):
        return _fail(kind, value, "prefix")
    birth = _date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
    if birth is None:
        return _fail(kind, value, "birth")
    if birth > today:
        return _fail(kind, value, "birth_future")
    if kind is IdKind.FOREIGN_PR_CARD_2023:
        if area[1:3] not in patterns.provinces:
            return _fail(kind, value, "area")
        if patterns.numeric_countries and area[3:] not in patterns.numeric_countries:
            return _fail(kind, value, "country")
    elif kind is IdKind.HMT_RESIDENCE_PERMIT:
        if area not in _HMT_AREAS:
            return _fail(kind, value, "area")
    elif area[:2] not in patterns.provinces:
        return _fail(kind, value, "area")
    if gb11643_check(value[:17]) != value[17]:
        return _fail(kind, value, "check_digit")
    card = kind is IdKind.FOREIGN_PR_CARD_2023
    return IdentityResult(
        kind,
        value,
        True,
        birth=birth,
        sex="male" if int(value[16]) % 2 else "female",
        province=area[1:3] if card else area[:2],
        country=patterns.numeric_countries.get(area[3:]) if card else None,
    )


def _card_2017(value: str, today: date, patterns: Patterns, countries: Collection[str] | None) -> IdentityResult:
    kind = IdKind.FOREIGN_PR_CARD_2017
    if len(value) != 15:
        return _fail(kind, value, "length")
    if not re.fullmatch(r"[A-Z]{3}[0-9]{12}", value):
        return _fail(kind, value, "characters")
    # The century is not in the number: the latest one that is not in the future is taken.
    month, day, short = int(value[9:11]), int(value[11:13]), int(value[7:9])
    century = today.year - today.year % 100
    candidates = [_date(year, month, day) for year in (century + short, century - 100 + short)]
    birth = next((d for d in candidates if d is not None and d <= today), None)
    if birth is None:
        return _fail(kind, value, "birth")
    if countries is not None and value[:3] not in countries:
        return _fail(kind, value, "country")
    if icao_check(value[:14]) != value[14]:
        return _fail(kind, value, "check_digit")
    province = value[3:5] if value[3:5] in patterns.provinces else None
    return IdentityResult(kind, value, True, birth=birth, province=province, country=value[:3])


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
