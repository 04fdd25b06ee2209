"""The rules as dated data: limits, rates, calendars, deadlines, ladders, agencies, checklists.

Every value carries its source and how sure we are of it; what is not confirmed is marked `sample: true` and shown as a
sample through to bill and page. No rule lives here, only data: parsing and checking is `domain/policy.py`.
"""

from importlib.resources import files
from pathlib import Path

_FOLDER = Path(str(files(__name__)))
_SUFFIXES = (".yaml", ".csv")


def path(name: str) -> Path:
    """Where a data file lies, e.g. `path("deadlines.yaml")`. FileNotFoundError when there is none of that name."""
    found = _FOLDER / name
    if found.suffix not in _SUFFIXES or not found.is_file():
        raise FileNotFoundError(f"No policy file named {name!r}. 没有名为 {name} 的政策数据文件。")
    return found


def read(name: str) -> str:
    """The text of a data file."""
    return path(name).read_text(encoding="utf-8")


def read_all() -> dict[str, str]:
    """All data files: name -> text. The argument of `domain.policy.snapshot`."""
    return {p.name: p.read_text(encoding="utf-8") for p in sorted(_FOLDER.iterdir()) if p.suffix in _SUFFIXES}
