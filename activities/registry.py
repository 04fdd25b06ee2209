"""All activities of the product, for the worker. Each module lists its own in `ACTIVITIES`."""

import importlib
from collections.abc import Callable
from pkgutil import iter_modules
from typing import Any

import activities


def all_activities() -> list[Callable[..., Any]]:
    """Every activity of every module of this folder; ValueError when two have the same name."""
    found: list[Callable[..., Any]] = []
    names: set[str] = set()
    for module in sorted(m.name for m in iter_modules(activities.__path__)):
        if module == "registry":
            continue
        for activity in getattr(importlib.import_module(f"activities.{module}"), "ACTIVITIES", []):
            name = activity.__temporal_activity_definition.name
            if name in names:
                raise ValueError(f"Two activities are named {name}. 有两个活动同名：{name}。")
            names.add(name)
            found.append(activity)
    return found
