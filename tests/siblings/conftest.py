"""The real packages: without them these tests are skipped with the reason, and `make test-siblings` requires them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator

import pytest

from tests.servers import postgresql

PACKAGES = ("market_data_core", "market_data_store", "market_data_ibkr", "market_data_pipeline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            # They warn of their own ways when they are imported and used.
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"), append=False)
            if missing and not os.environ.get("RXDAG_SIBLINGS"):
                item.add_marker(pytest.mark.skip(f"{', '.join(missing)} not installed; say make test-siblings"))


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    with postgresql() as address:
        yield address
