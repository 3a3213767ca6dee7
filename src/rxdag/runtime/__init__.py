"""The runtime: runs, their states, their books.

Internal: not part of the API; may change in any release.
"""

from rxdag.engine import EdgeBook, Ledger
from rxdag.plan import use_faces
from rxdag.runtime._checkpoint_stats import CheckpointStats
from rxdag.runtime._execution import Execution
from rxdag.runtime._front import planned, run, run_async, start, start_async, stop_after
from rxdag.runtime._handles import AsyncRun, Run, run_here, run_on_loop
from rxdag.runtime._iterate import StreamRunner, observable_of, to_observable
from rxdag.runtime._losses import warn_of_losses
from rxdag.runtime._pipeline_compat import PipelineCompat
from rxdag.runtime._pipeline_runtime import PipelineRuntime
from rxdag.runtime._plan_publisher import PlanPublisher
from rxdag.runtime._publish import RunPublisher, publisher_of
from rxdag.runtime._recovery import check_resumes
from rxdag.runtime._result import GateStats, RunResult, RunStats, SourceStats, State
from rxdag.runtime._resuming import saved_run
from rxdag.runtime._runtime_status import Health, JobStatus, RuntimeStatus
from rxdag.runtime._settings import ProviderSettings, QuotesSettings, RestartSettings, RuntimeSettings
from rxdag.runtime._shadow import Shadow
from rxdag.runtime._signals import draining_on_signals
from rxdag.runtime._snapshot import restore_into, snapshot_of, why_no_snapshot
from rxdag.runtime._supervised import RuntimeEvent
from rxdag.runtime._totals import plain_totals

use_faces(observable=observable_of, publisher=PlanPublisher)

__all__ = [
    "AsyncRun",
    "CheckpointStats",
    "EdgeBook",
    "Execution",
    "GateStats",
    "Health",
    "JobStatus",
    "Ledger",
    "PipelineCompat",
    "PipelineRuntime",
    "PlanPublisher",
    "ProviderSettings",
    "QuotesSettings",
    "RestartSettings",
    "Run",
    "RunPublisher",
    "RunResult",
    "RunStats",
    "SourceStats",
    "RuntimeEvent",
    "RuntimeSettings",
    "RuntimeStatus",
    "Shadow",
    "State",
    "StreamRunner",
    "check_resumes",
    "draining_on_signals",
    "observable_of",
    "plain_totals",
    "planned",
    "publisher_of",
    "restore_into",
    "run",
    "run_async",
    "run_here",
    "run_on_loop",
    "saved_run",
    "snapshot_of",
    "start",
    "start_async",
    "stop_after",
    "to_observable",
    "warn_of_losses",
    "why_no_snapshot",
]
