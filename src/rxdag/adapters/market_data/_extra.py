"""The extra that brings the packages."""

from typing import Final

EXTRA: Final = "market-data"
