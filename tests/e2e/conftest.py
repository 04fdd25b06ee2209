"""One running product for most tests of this folder; the others start their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.contract import Office
from tests.e2e.product import AGENCIES, Product

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLE = ROOT / "samples" / "foreign_hires_2026-10.xlsx"


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product as `baoqi up` starts it, every agency reached by its interface."""
    product = Product(tmp_path_factory.mktemp("e2e") / "data").start()
    yield product
    product.stop()


@pytest.fixture
def product(running: Product) -> Product:
    """The running product, its agencies well-behaved."""
    for agency in AGENCIES:
        running.behave(agency)
    return running


@pytest.fixture(scope="session")
def office(running: Product) -> Iterator[Office]:
    """Everybody signed in, once: an Argon2 check each."""
    made = running.office()
    yield made
    made.close()


@pytest.fixture
def sample() -> Path:
    return SAMPLE
