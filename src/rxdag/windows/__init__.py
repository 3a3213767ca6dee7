"""Windows: the assignment of items to windows.

Public.
"""

from rxdag.contract import Assigner, remember
from rxdag.windows._count import count
from rxdag.windows._global import global_
from rxdag.windows._session import session
from rxdag.windows._sliding import sliding
from rxdag.windows._tumbling import tumbling

__all__ = ["Assigner", "count", "global_", "session", "sliding", "tumbling"]

remember(globals(), __all__, "window")
