"""The contract of nodes: protocols and small types for their authors. No reactivex, thread, clock or socket here.

Internal: not part of the API; may change in any release.
"""

from rxdag._saved_rows import SavedRows
from rxdag.contract._accumulator import Accumulator, columns_of, migrated, snapshots_of, take_up, with_versions
from rxdag.contract._aggregate import Aggregate, Assigner, ColumnsAggregate
from rxdag.contract._arguments import (
    check_copyable,
    factor_of,
    flag,
    item_type,
    positive,
    share,
    whole,
    whole_or_none,
)
from rxdag.contract._around import ReaderAround, SinkAround, SourceAround, SourceContextAround, WriterAround, with_parts
from rxdag.contract._checks import checked_backoff, checked_end, checked_errors
from rxdag.contract._chunk import Chunk, joined, settled
from rxdag.contract._contained import EndsProcess, contained
from rxdag.contract._demand import Publisher, Subscriber, Subscription
from rxdag.contract._duration import UNITS, Duration, Timeout, duration_ns, format_ns, positive_ns, signed_ns, timeout_s
from rxdag.contract._exits import ColumnsEmit, Emit, Inputs, KernelOf
from rxdag.contract._extra import INSTALL, import_extra, install_line
from rxdag.contract._fan_in_kernel import FanInKernel
from rxdag.contract._finite import finite, own_number, plus
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
from rxdag.contract._given import check_iterable, gives_arrow, is_frame
from rxdag.contract._inner import Inner, InnerContext, InnerKernel
from rxdag.contract._journal_stats import JournalStats
from rxdag.contract._kernel import (
    BadItem,
    BadProgram,
    ColumnsKernel,
    Kernel,
    RowFailed,
    Splitter,
    on_item_parameters,
    releases,
)
from rxdag.contract._left_out import LEFT_OUT, optional_first
from rxdag.contract._line_file import LineFile
from rxdag.contract._logins import without_logins
from rxdag.contract._on_error import DEAD, RAISE, SKIP, Delays, OnError, OnErrorName, checked_on_error
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
from rxdag.contract._origin import Made, Role, made_by, note_as, remember
from rxdag.contract._overflow import Boundary, Overflow, checked_overflow, size_of
from rxdag.contract._pane import DeadLetter, Pane
from rxdag.contract._path import checked_path, folder_of_worker, format_of, nearest_file
from rxdag.contract._postgres import Dsn as Dsn
from rxdag.contract._postgres import PostgresServer as PostgresServer
from rxdag.contract._postgres import checked_dsn as checked_dsn
from rxdag.contract._postgres import quoted_table as quoted_table
from rxdag.contract._postgres import unique_keys as unique_keys
from rxdag.contract._process import KeyedProcess, ProcessContext
from rxdag.contract._shape import Shape
from rxdag.contract._sink import NOT_TAKEN_BACK, Batching, Delivery, Sink, SinkContext, Visible, Writer
from rxdag.contract._source import END, NEEDS_REPLAY, RECEIVES, Read, Reader, Saw, Source, SourceContext, Where, unseen
from rxdag.contract._time import ENDED, FLUSHED, IDLE, MAX, MIN, Clock, iso_utc
from rxdag.contract._type_vars import ItemT, ValueT
from rxdag.contract._unknown_name import unknown_name
from rxdag.contract._write_signals import Enough, WriteFailed
from rxdag.contract._written import argument, written
from rxdag.contract._zone import aware, zone_of

__all__ = [
    "argument",
    "CONTEXT",
    "DEAD",
    "END",
    "ENDED",
    "FLUSHED",
    "IDLE",
    "INSTALL",
    "MAP_ASYNC",
    "MAX",
    "MIN",
    "NEEDS_REPLAY",
    "NOT_TAKEN_BACK",
    "RAISE",
    "RECEIVES",
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
    "ColumnsKernel",
    "DeadLetter",
    "Delivery",
    "Duration",
    "Emit",
    "EndsProcess",
    "Enough",
    "FanIn",
    "FanInKernel",
    "FirstCall",
    "Foreign",
    "Inner",
    "InnerContext",
    "InnerKernel",
    "Inputs",
    "JournalStats",
    "Kernel",
    "LEFT_OUT",
    "Made",
    "KernelOf",
    "KeyBy",
    "KeyedProcess",
    "OnError",
    "OnErrorName",
    "Operator",
    "Overflow",
    "Pane",
    "ProcessContext",
    "Publisher",
    "Read",
    "Reader",
    "ReaderAround",
    "Role",
    "RouteOp",
    "RowFailed",
    "SavedRows",
    "Saw",
    "Shape",
    "Sink",
    "SinkAround",
    "SinkContext",
    "Source",
    "SourceAround",
    "SourceContext",
    "SourceContextAround",
    "Splitter",
    "Subscriber",
    "Subscription",
    "Timeout",
    "Unkeyed",
    "Delays",
    "Visible",
    "Where",
    "WindowOp",
    "WriteFailed",
    "Writer",
    "WriterAround",
    "async_kind",
    "aware",
    "check_accumulator",
    "contained",
    "check_arguments",
    "check_awaited",
    "factor_of",
    "flag",
    "folder_of_worker",
    "item_type",
    "positive",
    "share",
    "whole",
    "whole_or_none",
    "with_parts",
    "without_logins",
    "written",
    "check_copyable",
    "check_function",
    "check_methods",
    "check_named_arguments",
    "check_plain",
    "checked_backoff",
    "checked_end",
    "checked_errors",
    "checked_on_error",
    "checked_overflow",
    "checked_path",
    "format_of",
    "nearest_file",
    "LineFile",
    "duration_ns",
    "finite",
    "first_call",
    "format_ns",
    "import_extra",
    "install_line",
    "check_iterable",
    "ItemT",
    "ValueT",
    "is_forked",
    "is_frame",
    "gives_arrow",
    "iso_utc",
    "joined",
    "label_of",
    "made_by",
    "note_as",
    "on_item_parameters",
    "optional_first",
    "plain_result",
    "own_number",
    "plus",
    "positive_ns",
    "signed_ns",
    "refuse_fork",
    "releases",
    "remember",
    "settled",
    "snapshots_of",
    "take_up",
    "migrated",
    "columns_of",
    "with_versions",
    "size_of",
    "timeout_s",
    "unseen",
    "zone_of",
    "unknown_name",
]
