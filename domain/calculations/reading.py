"""The JSON object that a calculation is given, read from bytes alike for the command line and for HTTP.

Invariants: what cannot be read is refused with a sentence in both languages, at the field where there is one, and
nothing of what was written is dropped without a word. What the fields may hold is said by the calculation's model.
"""

import json
from typing import Any, cast

from domain.calculations.base import Refused


class _Twice(dict[str, Any]):
    """An object in which a field stands twice: one of the two values is lost already."""

    field: str


def read_object(raw: bytes) -> dict[str, Any]:
    """The object. Refused: no UTF-8, no JSON, no object, a field twice, half of a character."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(
            "",
            "not_utf8",
            f"输入不是 UTF-8 编码（第 {error.start + 1} 个字节）。",
            f"The input is not UTF-8 (byte {error.start + 1}).",
        ) from error
    if not text.strip():
        raise Refused("", "json_invalid", "输入为空，应为一个 JSON 对象。", "The input is empty: give a JSON object.")
    found = _parsed(text)
    if not isinstance(found, dict):
        raise Refused("", "not_an_object", "应为对象。", "It must be an object.")
    given = cast("dict[str, Any]", found)
    _check(given)
    return given


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise Refused(
            "",
            "json_invalid",
            f"不是有效的 JSON：第 {error.lineno} 行第 {error.colno} 列附近有误。",
            f"Not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}.",
        ) from error
    except RecursionError as error:
        raise Refused("", "json_invalid", "JSON 嵌套过深。", "The JSON is nested too deeply.") from error
    except ValueError as error:  # a whole number of thousands of digits
        raise Refused(
            "", "json_invalid", "JSON 中有位数过多的数字。", "A number in the JSON has too many digits."
        ) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The parser closes inner objects first and knows no path: a field that stands twice is marked here, and named by
    `_check`."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    marked = _Twice(found)
    names = [name for name, _ in pairs]
    marked.field = next(n for i, n in enumerate(names) if n in names[:i])
    return marked


def _check(found: dict[str, Any]) -> None:
    """Looks through all levels, with a list of its own: what the parser took may be deeper than calls may go."""
    rest: list[tuple[str, Any]] = [("", found)]
    while rest:
        pointer, value = rest.pop()
        parts: list[tuple[str, Any]] = []
        if isinstance(value, dict):
            parts = list(cast("dict[str, Any]", value).items())
        elif isinstance(value, list):
            parts = [(str(i), v) for i, v in enumerate(cast("list[Any]", value))]
        _whole_characters(pointer, value)
        for name, _ in parts:
            _whole_characters(pointer, name)
        if isinstance(value, _Twice):
            raise Refused(
                _below(pointer, value.field),
                "given_twice",
                "该字段出现了两次，请保留一处。",
                "The field is given twice: keep one.",
            )
        rest.extend((_below(pointer, name), part) for name, part in reversed(parts))


def _whole_characters(pointer: str, value: Any) -> None:
    """An escape like \\ud83d alone is half of a character: it can be neither shown nor stored."""
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise Refused(
            pointer,
            "bad_character",
            "含有不完整的字符（单独的 \\ud800 至 \\udfff），请更正。",
            "It holds half of a character (a lone \\ud800 to \\udfff): correct it.",
        )


def _below(pointer: str, name: str) -> str:
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
