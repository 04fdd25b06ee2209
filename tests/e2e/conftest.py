"""One running product a user for most tests of this folder, stopped after them; the others start their own.

Acceptance is proven twice, by tests named `[root]` and `[ordinary]`. What does not depend on who runs it is proven once
(`ONCE`), by whoever runs the tests.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.installation import AS_ROOT, NO_ROOT, ROOT, USERS, Installation, installation
from tests.e2e.office import Office
from tests.e2e.product import AGENCIES, Product

SAMPLE = ROOT / "samples" / "foreign_hires_2026-10.xlsx"


@pytest.fixture(scope="package", params=USERS)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A working copy and its user."""
    if request.param == "root" and not AS_ROOT:
        pytest.skip(NO_ROOT)
    with installation(request.param, tmp_path_factory.mktemp("e2e")) as made:
        yield made


@pytest.fixture(scope="package")
def running(installed: Installation) -> Iterator[Product]:
    """The product as `make up` starts it, every agency reached by its interface."""
    product = Product(installed, "data").start()
    yield product
    product.stop()


@pytest.fixture
def product(running: Product) -> Product:
    """The running product, its agencies well-behaved."""
    for agency in AGENCIES:
        running.behave(agency)
    return running


@pytest.fixture(scope="package")
def office(running: Product) -> Iterator[Office]:
    """Everybody signed in, once: an Argon2 check each."""
    made = running.office()
    yield made
    made.close()


@pytest.fixture
def sample() -> Path:
    return SAMPLE


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says loudly that nothing was proven of root, in one line."""
    left_out = [r for r in terminalreporter.stats.get("skipped", []) if NO_ROOT in str(r.longrepr)]
    if left_out:
        terminalreporter.write_line(f"!!! {len(left_out)}: {NO_ROOT}", yellow=True, bold=True)
