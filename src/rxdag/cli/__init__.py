"""The command line, and what it shows, for programs of one's own.

Public.
"""

from rxdag.cli._main import main
from rxdag.cli._top import top

__all__ = ["main", "top"]
