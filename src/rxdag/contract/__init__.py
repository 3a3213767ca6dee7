"""What the author of a node implements: protocols and tiny types. No reactivex, thread, clock or socket here."""

from rxdag.contract._accumulator import Accumulator
from rxdag.contract._aggregate import Aggregate, Assigner, ColumnsAggregate
from rxdag.contract._arguments import factor_of, flag, item_type, positive, share, whole, whole_or_none
from rxdag.contract._around import ReaderAround, SourceAround
from rxdag.contract._checks import checked_backoff, checked_end, checked_errors
from rxdag.contract._chunk import Chunk, joined, settled
from rxdag.contract._demand import Publisher, Subscriber, Subscription
from rxdag.contract._duration import UNITS, Duration, duration_ns, format_ns, positive_ns, signed_ns
from rxdag.contract._ends import (
    END,
    Batching,
    Enough,
    Read,
    Reader,
    Saw,
    Sink,
    SinkContext,
    Source,
    SourceContext,
    Where,
    WriteFailed,
    Writer,
    unseen,
)
from rxdag.contract._exits import ColumnsEmit, Emit, Inputs, KernelOf
from rxdag.contract._extra import import_extra
from rxdag.contract._finite import finite, plus
from rxdag.contract._first_call import FirstCall, first_call, plain_result
from rxdag.contract._fork import is_forked, refuse_fork
from rxdag.contract._functions import (
    CONTEXT,
    MAP_ASYNC,
    async_kind,
    check_accumulator,
    check_arguments,
    check_awaited,
    check_function,
    check_methods,
    check_named_arguments,
    check_plain,
)
from rxdag.contract._inner import Inner, InnerKernel
from rxdag.contract._kernel import BadItem, BadProgram, Kernel, RowFailed, Splitter, on_item_parameters
from rxdag.contract._made import Made, Room, made_by, remember
from rxdag.contract._on_error import DEAD, RAISE, SKIP, OnError, Waits
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
from rxdag.contract._overflow import Boundary, Overflow, checked_overflow, size_of
from rxdag.contract._pane import DeadLetter, Pane
from rxdag.contract._path import checked_path
from rxdag.contract._process import KeyedProcess, ProcessContext
from rxdag.contract._shape import Shape
from rxdag.contract._time import ENDED, FLUSHED, IDLE, MAX, MIN, Clock
from rxdag.contract._zone import aware, zone_of

__all__ = [
    "CONTEXT",
    "DEAD",
    "END",
    "ENDED",
    "FLUSHED",
    "IDLE",
    "MAP_ASYNC",
    "MAX",
    "MIN",
    "RAISE",
    "SKIP",
    "UNITS",
    "Accumulator",
    "Aggregate",
    "AnyOperator",
    "Assigner",
    "BadItem",
    "BadProgram",
    "Batching",
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
    "FirstCall",
    "Foreign",
    "Inner",
    "InnerKernel",
    "Inputs",
    "Kernel",
    "Made",
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
    "ReaderAround",
    "Room",
    "RouteOp",
    "RowFailed",
    "Saw",
    "Shape",
    "Sink",
    "SinkContext",
    "Source",
    "SourceAround",
    "SourceContext",
    "Splitter",
    "Subscriber",
    "Subscription",
    "Unkeyed",
    "Waits",
    "Where",
    "WindowOp",
    "WriteFailed",
    "Writer",
    "async_kind",
    "aware",
    "check_accumulator",
    "check_arguments",
    "check_awaited",
    "factor_of",
    "flag",
    "item_type",
    "positive",
    "share",
    "whole",
    "whole_or_none",
    "check_function",
    "check_methods",
    "check_named_arguments",
    "check_plain",
    "checked_backoff",
    "checked_end",
    "checked_errors",
    "checked_overflow",
    "checked_path",
    "duration_ns",
    "finite",
    "first_call",
    "format_ns",
    "import_extra",
    "is_forked",
    "joined",
    "label_of",
    "made_by",
    "on_item_parameters",
    "plain_result",
    "plus",
    "positive_ns",
    "signed_ns",
    "refuse_fork",
    "remember",
    "settled",
    "size_of",
    "unseen",
    "zone_of",
]
