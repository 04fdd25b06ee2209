"""The State Council's notice of a year's holidays, read from its own words or from a list of days. Pure.

    一、元旦：1月1日（周五）至3日（周日）放假调休，共3天。1月9日（周六）上班。
    2027-01-01/2027-01-03, 放假, 元旦

Invariants: nothing is guessed. A date beside which neither rest nor work is said is a fault, and so is a weekday or a
number of days that does not fit: a slip of the pen is found before it moves a deadline. What the notice only encourages
(鼓励…) is no arrangement and is left out, and said so. Days of another year are named apart: they belong to that year.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from domain.calendar import days_of
from schemas.base import Text

_ISO = re.compile(r"(\d{4})[-./](\d{1,2})[-./](\d{1,2})")
_DAY = r"(?:(?P<y{0}>\d{{4}})年)?(?:(?P<m{0}>\d{{1,2}})月)?(?P<d{0}>\d{{1,2}})日(?:\((?P<w{0}>[^)]*)\))?"
_SPAN = re.compile(_DAY.format(1) + r"(?:\s*(?:至|到|~|—|–|-|/)\s*" + _DAY.format(2) + ")?")
_WEEKDAY = re.compile(r"(?:周|星期)([一二三四五六日天])")
_WEEKDAYS = {c: n for n, c in enumerate("一二三四五六日", start=1)} | {"天": 7}
_COUNT = re.compile(r"(?:共|放假)\s*(\d+)\s*天")
_NAME = re.compile(r"^(?:[一二三四五六七八九十\d]+[、.]\s*)?([\u4e00-\u9fff、]{2,12}):")
_DOC = re.compile(r"国办发\w*〔\d{4}〕\d+号")
_REST = ("放假", "休息", "休", "rest", "off")
_WORK = ("上班", "补班", "班", "work")
_ENCOURAGED = "鼓励"
_SATURDAY = 6


@dataclass(frozen=True)
class NoticeFault:
    """What cannot be taken as it stands: the line of the text (from 1), and the sentence."""

    line: int
    text: Text


@dataclass
class Notice:
    """The arrangement of one year. `rest`, `work`: ISO days and ranges. `names`: an entry -> the holiday in Chinese.
    `outside`: days of other years that the text names. `ignored`: sentences that are no arrangement."""

    year: int
    doc: str = ""
    published_on: date | None = None
    rest: list[str] = field(default_factory=list[str])
    work: list[str] = field(default_factory=list[str])
    names: dict[str, str] = field(default_factory=dict[str, str])
    outside: list[date] = field(default_factory=list[date])
    ignored: list[str] = field(default_factory=list[str])
    faults: list[NoticeFault] = field(default_factory=list[NoticeFault])

    def days(self, entries: Iterable[str]) -> list[date]:
        return [d for e in entries for d in days_of(e)]


def read_notice(text: str, year: int, public_holidays: Iterable[date] = ()) -> Notice:
    """The arrangement in a notice for `year`; `faults` holds everything that must be put right first. A public holiday
    of the law that is not among the days off is a fault too."""
    notice = Notice(year)
    plain = _ISO.sub(r"\1年\2月\3日", unicodedata.normalize("NFKC", text))
    found = _DOC.search(plain)
    notice.doc = found[0] if found else ""
    name = ""
    for number, line in enumerate(plain.splitlines(), start=1):
        cells = [c.strip() for c in re.split(r"[\t,]", line)]
        if _SPAN.fullmatch(cells[0]) and len(cells) > 1:
            _table_row(notice, number, cells)
            continue
        for said in filter(None, (s.strip() for s in re.split(r"[。;]", line))):
            named = _NAME.match(said)
            name = named[1] if named else name
            _sentence(notice, number, _NAME.sub("", said), name)
    _whole(notice, list(public_holidays))
    return notice


def _table_row(notice: Notice, line: int, cells: list[str]) -> None:
    words = [c for c in cells[1:] if c]
    kind = next((k for k in map(_kind, words) if k), "")
    name = next((w for w in words if not _kind(w)), "")
    spans = _spans(notice, line, cells[0])
    if not kind and spans:
        notice.faults.append(_unclear(line, cells[0]))
    for span in spans if kind else ():
        _add(notice, line, kind, span, name)


def _kind(words: str) -> str:
    if any(w in words for w in ("放假", "休息")):
        return "rest"
    if any(w in words for w in ("上班", "补班")):
        return "work"
    whole = words.strip().lower()
    return "rest" if whole in _REST else "work" if whole in _WORK else ""


def _sentence(notice: Notice, line: int, said: str, name: str) -> None:
    if _ENCOURAGED in said:
        notice.ignored.append(said)
        return
    off = 0
    for part in said.split(","):
        spans = _spans(notice, line, part)
        kind = _kind(part)
        if spans and not kind:
            alone = _SPAN.fullmatch(part.strip())
            if alone and spans[0][0] == spans[0][1] and alone["y1"]:
                notice.published_on = spans[0][0]  # the date under the notice
            else:
                notice.faults.append(_unclear(line, part.strip()))
            continue
        for span in spans:
            _add(notice, line, kind, span, name)
            off += (span[1] - span[0]).days + 1 if kind == "rest" else 0
        count = _COUNT.search(part)
        if count and off and int(count[1]) != off:
            said_days = int(count[1])
            zh = f"写明共 {said_days} 天，但所列日期为 {off} 天"
            en = f"it says {said_days} days, but the dates are {off}"
            notice.faults.append(NoticeFault(line, Text(zh=zh, en=en)))


def _spans(notice: Notice, line: int, text: str) -> list[tuple[date, date]]:
    """The days and ranges of a text; month and year are taken on from what stands before. Faults go to the notice."""
    found: list[tuple[date, date]] = []
    year, month = notice.year, 0
    for match in _SPAN.finditer(text):
        ends: list[date] = []
        for i in ("1", "2") if match["d2"] else ("1",):
            year, month = int(match[f"y{i}"] or year), int(match[f"m{i}"] or month)
            try:
                day = date(year, month, int(match[f"d{i}"]))
            except ValueError:
                zh, en = f"没有这个日期：{match[0]}", f"there is no such date: {match[0]}"
                notice.faults.append(NoticeFault(line, Text(zh=zh, en=en)))
                break
            weekday = _WEEKDAY.search(match[f"w{i}"] or "")
            if weekday and _WEEKDAYS[weekday[1]] != day.isoweekday():
                zh, en = f"{day} 不是{weekday[0]}", f"{day} is not the weekday that is named ({weekday[0]})"
                notice.faults.append(NoticeFault(line, Text(zh=zh, en=en)))
            ends.append(day)
        else:
            if ends[-1] < ends[0]:
                zh, en = f"区间的结束早于开始：{match[0]}", f"the range ends before it starts: {match[0]}"
                notice.faults.append(NoticeFault(line, Text(zh=zh, en=en)))
            else:
                found.append((ends[0], ends[-1]))
    return found


def _add(notice: Notice, line: int, kind: str, span: tuple[date, date], name: str) -> None:
    days = [span[0] + timedelta(days=i) for i in range((span[1] - span[0]).days + 1)]
    mine = [d for d in days if d.year == notice.year]
    notice.outside += [d for d in days if d.year != notice.year]
    if not mine:
        return
    entries = notice.rest if kind == "rest" else notice.work
    if set(mine) & set(notice.days(entries)):
        zh, en = f"{mine[0]} 重复列出", f"{mine[0]} is listed twice"
        notice.faults.append(NoticeFault(line, Text(zh=zh, en=en)))
        return
    entry = f"{mine[0]}" if len(mine) == 1 else f"{mine[0]}/{mine[-1]}"
    entries.append(entry)
    if name and kind == "rest":
        notice.names[entry] = name
    for day in mine if kind == "work" else ():
        if day.isoweekday() < _SATURDAY:
            zh, en = f"{day} 本来就是周一至周五，请核对", f"{day} is from Monday to Friday anyway: check it"
            notice.faults.append(NoticeFault(line, Text(zh=zh, en=en)))


def _whole(notice: Notice, public_holidays: list[date]) -> None:
    rest, work = set(notice.days(notice.rest)), set(notice.days(notice.work))
    said: list[Text] = []
    if not rest:
        said.append(Text(zh="没有找到放假日期", en="no days off were found"))
    said += [Text(zh=f"{d} 同时列为放假和上班", en=f"{d} is both off and at work") for d in sorted(rest & work)]
    if rest:
        missing = sorted(set(public_holidays) - rest)
        said += [
            Text(zh=f"{d} 是法定节日，但不在放假日期中", en=f"{d} is a public holiday but not among the days off")
            for d in missing
        ]
    notice.faults += [NoticeFault(0, text) for text in said]
    notice.rest.sort()
    notice.work.sort()


def _unclear(line: int, part: str) -> NoticeFault:
    zh, en = f"“{part}”未写明是放假还是上班", f'"{part}" does not say whether it is off or at work'
    return NoticeFault(line, Text(zh=zh, en=en))
