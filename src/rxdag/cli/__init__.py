"""The command line, and its displays for your own programs.

Public.
"""

from rxdag.cli._main import main
from rxdag.cli._top import top

__all__ = ["main", "top"]
