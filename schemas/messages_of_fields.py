"""Sentences for what pydantic finds wrong with a field, in both languages. Unknown kinds get a general sentence."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from schemas.base import Text

Context = Mapping[str, Any]


def _one_of(context: Context) -> Text:
    """pydantic lists what is allowed as English words: 'a', 'b' or 'c'."""
    expected = str(context["expected"])
    values: list[str] = re.findall(r"'([^']*)'", expected) or [expected]
    return Text(zh=f"应为以下之一：{'、'.join(values)}。", en=f"It must be one of: {', '.join(values)}.")


def _formed(pattern: str) -> Text:
    """What a text must look like, by an example; nobody reads a regular expression."""
    for known, zh, en in _FORMS:
        if pattern == known:
            return Text(zh=f"格式不对，应为{zh}。", en=f"Wrong form: it must be {en}.")
    return Text(zh="格式不对，请对照字段说明填写。", en="Wrong form: fill it in as the field's description says.")


def _count(n: int, of: str) -> str:
    return f"{n} {of}" if n == 1 else f"{n} {of}s"


_FORMS = (
    (r"^[A-Z]{3}$", "三位大写国家代码，如 DEU", "a country's code of three capital letters, like DEU"),
    (
        r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$",
        "半角字母、数字，中间可有连字符“-”，不含空格和其他符号，如 DEU0C01X00T47",
        "letters and digits, with hyphens between at most, no blanks and no other signs, like DEU0C01X00T47",
    ),
    (r"^R\d{2}$", "退回原因代码，如 R06", "a code of a refusal, like R06"),
    (r"^X\d{2}$", "比对规则代码，如 X01", "a code of a comparison, like X01"),
    (r"^\d{4}-(0[1-9]|1[0-2])$", "月份，如 2026-11", "a month, like 2026-11"),
    (r"^20[0-9]{2}-(0[1-9]|1[0-2])$", "月份，如 2026-11", "a month, like 2026-11"),
    (
        r"^[a-z0-9_]{1,60}\.(yaml|csv)$",
        "规则文件名，如 late_fee.yaml",
        "the name of a file of rules, like late_fee.yaml",
    ),
)
_LIST = Text(
    zh="应为列表，写在方括号中，用逗号分隔。", en="It must be a list: in square brackets, with commas between."
)
_NOT_BLANK = Text(zh="必填，不能为空或只有空格。", en="Required: it must not be empty or blank.")
NOT_JSON = Text(zh="不是有效的 JSON。", en="It is not valid JSON.")
_SENTENCES: dict[str, Callable[[Context], Text]] = {
    "missing": lambda c: Text(zh="必填，请填写。", en="Required: fill it in."),
    "extra_forbidden": lambda c: Text(zh="没有这个字段，请删除。", en="There is no such field: remove it."),
    "string_too_short": lambda c: (
        _NOT_BLANK
        if c["min_length"] == 1
        else Text(
            zh=f"至少 {c['min_length']} 个字符，首尾空格不算。",
            en=f"At least {_count(c['min_length'], 'character')}, not counting blanks at either end.",
        )
    ),
    "string_too_long": lambda c: Text(
        zh=f"最多 {c['max_length']} 个字符。", en=f"At most {_count(c['max_length'], 'character')}."
    ),
    "string_pattern_mismatch": lambda c: _formed(str(c["pattern"])),
    "string_type": lambda c: Text(zh="应为文字。", en="It must be text."),
    "too_short": lambda c: Text(zh=f"至少填 {c['min_length']} 项。", en=f"At least {_count(c['min_length'], 'item')}."),
    "too_long": lambda c: Text(zh=f"最多 {c['max_length']} 项。", en=f"At most {_count(c['max_length'], 'item')}."),
    "greater_than": lambda c: Text(zh=f"应大于 {c['gt']}。", en=f"It must be greater than {c['gt']}."),
    "greater_than_equal": lambda c: Text(zh=f"不能小于 {c['ge']}。", en=f"It must be at least {c['ge']}."),
    "less_than": lambda c: Text(zh=f"应小于 {c['lt']}。", en=f"It must be less than {c['lt']}."),
    "less_than_equal": lambda c: Text(zh=f"不能大于 {c['le']}。", en=f"It must be at most {c['le']}."),
    "decimal_max_places": lambda c: Text(
        zh=f"最多 {c['decimal_places']} 位小数。", en=f"At most {_count(c['decimal_places'], 'decimal place')}."
    ),
    "literal_error": _one_of,
    "enum": _one_of,
    "list_type": lambda c: _LIST,
    "tuple_type": lambda c: _LIST,
    "dict_type": lambda c: Text(zh="应为对象。", en="It must be an object."),
    "model_attributes_type": lambda c: Text(zh="应为对象。", en="It must be an object."),
    "model_type": lambda c: Text(zh="应为对象。", en="It must be an object."),
    "json_invalid": lambda c: NOT_JSON,
}
_DATE = Text(zh="日期无效，请按 2026-11-24 的格式填写。", en="Not a valid date: write it like 2026-11-24.")
_NUMBER = Text(zh="应为数字。", en="It must be a number.")
_WHOLE = Text(zh="应为整数。", en="It must be a whole number.")
_FLAG = Text(zh="应为 true 或 false。", en="It must be true or false.")
_GENERAL = Text(zh="内容无效，请更正。", en="Not valid: correct it.")


def faults_of(errors: Sequence[ErrorDetails], prefix: str = "") -> list[tuple[str, str, Text]]:
    """What pydantic found, as JSON pointers ("" is the whole body), codes and sentences."""
    found: list[tuple[str, str, Text]] = []
    for error in errors:
        parts = [p for p in error["loc"] if not (isinstance(p, str) and ("[" in p or p.startswith("function-")))]
        pointer = prefix + "".join(f"/{_escape(str(p))}" for p in parts)
        found.append((pointer, str(error["type"]), message_of(error)))
    return found


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def message_of(error: ErrorDetails) -> Text:
    """The sentence for one finding."""
    kind = error["type"]
    context = error.get("ctx", {})
    if "zh" in context and "en" in context:  # a validator of ours that brings its sentence along
        return Text(zh=str(context["zh"]), en=str(context["en"]))
    made = _SENTENCES.get(kind)
    if made is not None:
        return made(context)
    if kind.startswith(("date_", "datetime_", "timezone_", "time_")) or kind in ("date_type", "datetime_type"):
        return _DATE
    if kind.startswith("int_"):
        return _WHOLE
    if kind.startswith(("float_", "decimal_", "finite_")):
        return _NUMBER
    if kind.startswith("bool_"):
        return _FLAG
    return _GENERAL
