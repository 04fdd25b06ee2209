"""The names, arguments and results in `workflows/calls.py` are those of the registered activities."""

import inspect
import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from temporalio import activity

from activities.registry import all_activities
from workflows import calls


def definitions() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for function in all_activities():
        definition = activity._Definition.must_from_callable(function)  # pyright: ignore[reportPrivateUsage]
        assert definition.name is not None
        assert definition.name not in found, f"two activities named {definition.name}"
        found[definition.name] = function
    return found


SOURCE = Path(inspect.getfile(calls)).read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r'await (?:_start|self\._(?:own|outside|with_rows))\(\s*"(\w+)"', SOURCE)))


def test_the_names_are_found() -> None:
    assert "record_transition" in NAMES
    assert len(NAMES) > 20


def test_each_says_in_words_what_it_does() -> None:
    assert set(NAMES) == set(calls.SUMMARIES)


@pytest.mark.parametrize("name", NAMES)
def test_called_and_registered_agree(name: str) -> None:
    function = definitions()[name]
    hints = get_type_hints(function)
    result = hints.pop("return", None)
    called = get_type_hints(getattr(calls.Calls, name, None) or getattr(calls, name))
    expected = called.pop("return", None)
    assert next(iter(hints.values())) is next(iter(called.values()))
    assert result == expected
