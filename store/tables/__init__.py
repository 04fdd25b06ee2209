"""All tables. Importing this package fills `Base.metadata`, which migrations and tests rely on."""

import importlib
from pkgutil import iter_modules

from store.tables.base import Base

for _module in sorted(m.name for m in iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")

__all__ = ["Base"]
