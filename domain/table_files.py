"""Rows of a CSV text, and a sentence with the place for what is wrong with a row.

What a row means is not known here.
"""

import csv
import io
import re
from collections.abc import Callable
from decimal import InvalidOperation
from typing import Any, TypeVar

from domain.policy import PolicyError, Texts, text_of
from schemas.base import Text

T = TypeVar("T")
Row = dict[str, str]


class BadValue(ValueError):
    """What is wrong with a value, in both languages; `guard` says where."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} {en}")
        self.text = Text(zh=zh, en=en)


UNREADABLE = Text(
    zh="有一个值无法读取，请对照同一文件的其他各项检查数字、日期和引号。",
    en="A value cannot be read: compare its numbers, dates and quotes with the other entries of the file.",
)


def rows_of(texts: Texts, name: str) -> list[tuple[int, Row]]:
    """Line number and row of a CSV file."""
    reader = csv.DictReader(io.StringIO(text_of(texts, name)))
    found: list[tuple[int, Row]] = []
    for row in reader:
        if None in row or None in row.values():
            raise PolicyError(
                f"{name} 第 {reader.line_num} 行的列数与表头不符。",
                f"{name}, line {reader.line_num}: the number of columns differs from the heading.",
            )
        found.append((reader.line_num, dict(row)))
    if not found:
        raise PolicyError(f"{name} 没有数据行。", f"{name} has no rows.")
    return found


def guard(place: str, row: Any, make: Callable[[Any], T]) -> T:
    """Turns what is wrong with a row into a sentence that names the place."""
    try:
        return make(row)
    except PolicyError:
        raise
    except KeyError as error:
        missing = error.args[0]
        raise PolicyError(f"{place} 缺少 {missing}，请补上。", f"{place}: {missing} is missing: add it.") from error
    except BadValue as error:
        raise PolicyError(f"{place}：{error.text.zh}", f"{place}: {error.text.en}") from error
    except (ValueError, TypeError, AttributeError, InvalidOperation, re.error) as error:
        raise PolicyError(f"{place}：{UNREADABLE.zh}", f"{place}: {UNREADABLE.en}") from error
