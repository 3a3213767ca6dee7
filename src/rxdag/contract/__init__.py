"""What the author of a node implements: protocols and tiny types. No reactivex, thread, clock or socket here."""

from rxdag.contract._aggregate import Accumulator, Aggregate, Assigner, ColumnsAggregate
from rxdag.contract._checks import checked_backoff, checked_errors, finite
from rxdag.contract._chunk import Chunk, settled
from rxdag.contract._demand import Publisher, Subscriber, Subscription
from rxdag.contract._duration import UNITS, Duration, duration_ns, format_ns, positive_ns, signed_ns
from rxdag.contract._ends import (
    END,
    Enough,
    Read,
    Reader,
    Sink,
    SinkContext,
    Source,
    SourceContext,
    Where,
    WriteFailed,
    Writer,
)
from rxdag.contract._extra import import_extra
from rxdag.contract._inner import Inner, InnerKernel
from rxdag.contract._kernel import (
    BadItem,
    ColumnsEmit,
    Emit,
    Inputs,
    Kernel,
    KernelOf,
    RowFailed,
    Splitter,
    on_item_parameters,
)
from rxdag.contract._on_error import DEAD, RAISE, SKIP, Backoff, OnError
from rxdag.contract._operator import (
    AnyOperator,
    Beside,
    FanIn,
    Foreign,
    KeyBy,
    Operator,
    RouteOp,
    Unkeyed,
    WindowOp,
    label_of,
)
from rxdag.contract._overflow import Boundary, Overflow
from rxdag.contract._pane import DeadLetter, Pane
from rxdag.contract._process import KeyedProcess, ProcessContext
from rxdag.contract._shape import Shape
from rxdag.contract._time import ENDED, FLUSHED, IDLE, MAX, MIN, Clock

__all__ = [
    "DEAD",
    "END",
    "ENDED",
    "FLUSHED",
    "IDLE",
    "MAX",
    "MIN",
    "RAISE",
    "SKIP",
    "UNITS",
    "Accumulator",
    "Aggregate",
    "AnyOperator",
    "Assigner",
    "Backoff",
    "BadItem",
    "Beside",
    "Boundary",
    "Chunk",
    "Clock",
    "ColumnsAggregate",
    "ColumnsEmit",
    "DeadLetter",
    "Duration",
    "Emit",
    "Enough",
    "FanIn",
    "Foreign",
    "Inner",
    "InnerKernel",
    "Inputs",
    "Kernel",
    "KernelOf",
    "KeyBy",
    "KeyedProcess",
    "OnError",
    "Operator",
    "Overflow",
    "Pane",
    "ProcessContext",
    "Publisher",
    "Read",
    "Reader",
    "RouteOp",
    "RowFailed",
    "Shape",
    "Sink",
    "SinkContext",
    "Source",
    "SourceContext",
    "Splitter",
    "Subscriber",
    "Subscription",
    "Unkeyed",
    "Where",
    "WindowOp",
    "WriteFailed",
    "Writer",
    "checked_backoff",
    "checked_errors",
    "duration_ns",
    "finite",
    "format_ns",
    "import_extra",
    "label_of",
    "on_item_parameters",
    "positive_ns",
    "signed_ns",
    "settled",
]
