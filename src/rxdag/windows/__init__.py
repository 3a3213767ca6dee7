"""Windows: the assignment of items to windows.

Public.
"""

from typing import TYPE_CHECKING

from rxdag.contract import Assigner, remember, unknown_name
from rxdag.windows._count import count
from rxdag.windows._global import global_
from rxdag.windows._session import session
from rxdag.windows._sliding import sliding
from rxdag.windows._tumbling import tumbling

__all__ = ["Assigner", "count", "global_", "session", "sliding", "tumbling"]

remember(globals(), __all__, "window")

if not TYPE_CHECKING:  # a type checker that saw __getattr__ would accept every misspelt name

    def __getattr__(name: str) -> object:
        raise unknown_name(__name__, name)
