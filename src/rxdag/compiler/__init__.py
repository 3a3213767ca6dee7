"""How a dag runs: passes that turn it into a plan, and a plan into the parts of a run."""

from rxdag.compiler._colour import MAIN
from rxdag.compiler._foreign import ForeignHost
from rxdag.compiler._host import Host, RunContext
from rxdag.compiler._inner_host import InnerHost
from rxdag.compiler._kernel_host import KernelHost
from rxdag.compiler._ledger import SIDES, EdgeBook, Ledger
from rxdag.compiler._lower import lower
from rxdag.compiler._plan import Plan, compile, use_faces
from rxdag.compiler._program import Program
from rxdag.compiler._region_host import RegionHost
from rxdag.compiler._sink_host import SinkHost
from rxdag.compiler._source_host import SourceHost
from rxdag.compiler._topology import Topology
from rxdag.compiler._writes import BOUNDS_NS, Writes

__all__ = [
    "BOUNDS_NS",
    "MAIN",
    "SIDES",
    "EdgeBook",
    "ForeignHost",
    "Host",
    "InnerHost",
    "KernelHost",
    "Ledger",
    "Plan",
    "Program",
    "RegionHost",
    "RunContext",
    "SinkHost",
    "SourceHost",
    "Topology",
    "Writes",
    "compile",
    "lower",
    "use_faces",
]
