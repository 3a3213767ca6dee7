"""PipelineRuntime: many dags, and linear pipelines beside them, under one supervisor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Unpack, overload

from rxdag.contract import Duration, check_function, positive_ns
from rxdag.errors import GraphError, shown
from rxdag.graph import Dag, DagBuilder, SinkNode
from rxdag.orchestration import Feedback, FeedbackDecision, FeedbackPolicy
from rxdag.plan import Plan, compile
from rxdag.runtime._dag_job import DagJob
from rxdag.runtime._pipeline_compat import PipelineCompat
from rxdag.runtime._pressure import Pressure
from rxdag.runtime._recovery import Checkpoints, Recovery, RecoveryOptions
from rxdag.runtime._result import RunStats
from rxdag.runtime._settings import RestartPolicy, RuntimeSettings
from rxdag.runtime._supervised import RuntimeEvent
from rxdag.sources import Backoff


class _Builder(DagBuilder):
    """A builder whose `build` registers what it builds."""

    def __init__(self, name: str, register: Callable[[Dag], None]) -> None:
        super().__init__(name)
        self._register = register

    def build(self) -> Dag:
        dag = super().build()
        self._register(dag)
        return dag


class PipelineRuntime(PipelineCompat):
    """A runtime that supervises dags and linear pipelines separately, side by side.

    A dag or pipeline that fails does not stop the others. The runtime is an async context manager, which starts
    everything registered and stops it on exit; `run()` is the blocking form. Anything registered later on its event
    loop starts at once. A dag that needs no event loop runs on its own threads.

    Inside the `async with` block, SIGTERM drains everything and a second one cancels; then the block is cancelled and
    raises `Terminated`. Ctrl-C cancels, as in asyncio. A SIGTERM handler installed by the program stays in place.

    It also has the methods of market-data-pipeline's runtime, under the names that they have there.

    Args:
        settings: `RuntimeSettings`, or a dict of them; by default `RuntimeSettings.load()`, which reads the
            environment.

    Raises:
        SpecError: If the settings are invalid.

    Example:
        >>> async def main():
        ...     async with rxdag.PipelineRuntime() as runtime:
        ...         out = rxdag.from_source(sources.range(3)).to(sinks.collect(), name="out")
        ...         runtime.create_dag("numbers", out)
        ...         results = await runtime.run_until_complete()
        ...     return results["numbers"]["out"]
        >>> asyncio.run(main())
        [0, 1, 2]
    """

    def __init__(self, settings: RuntimeSettings | Mapping[str, Any] | None = None) -> None:
        super().__init__(settings)
        self.decisions: dict[tuple[str, str], FeedbackDecision] = {}
        """The last decision of each feedback, by dag and provider."""

    @overload
    def create_dag(self, name: str, /, **options: Any) -> DagBuilder: ...
    @overload
    def create_dag(self, name: str, first: SinkNode[Any, Any], /, *more: SinkNode[Any, Any], **options: Any) -> Dag: ...
    def create_dag(self, name: str, /, *outputs: SinkNode[Any, Any], **options: Any) -> Dag | DagBuilder:
        """Create a dag from sinks and register it.

        Without sinks, return a builder whose `build()` registers the dag.

        Args:
            name: Name of the dag.
            outputs: Nodes returned by `.to(...)`.
            options: See `add`.

        Raises:
            GraphError: If the name is taken, or the dag is invalid.
        """
        if not outputs:
            self._check_new(name)
            return _Builder(name, partial(self.add, **options))
        for output in outputs:
            if isinstance(output, Dag | Plan):
                raise GraphError(f"create_dag: takes sinks, got {shown(output)}; use runtime.add(dag)")
        dag = Dag(*outputs, name=name)
        self.add(dag, **options)
        return dag

    def add(
        self,
        dag: Dag | Plan,
        /,
        *,
        restart: RestartPolicy | None = None,
        backoff: Backoff | None = None,
        until: Duration | None = None,
        flush: bool = False,
        checkpoints: Checkpoints | None = None,
        **recovery: Unpack[RecoveryOptions],
    ) -> None:
        """Register a dag under its name.

        It starts with the runtime, or at once if the runtime has started.

        Args:
            dag: The dag to run.
            restart: "never", "on_failure" or "always"; by default as in the settings.
            backoff: Delays between restarts; by default as in the settings.
            until: Drain each run of the dag after this time.
            flush: True to close open panes on every drain, whatever its cause; see `Run.drain`.
            checkpoints: See `rxdag.run`. Each restart continues from the last checkpoint; without checkpoints it begins
                anew.
            recovery: See `rxdag.run`.

        Raises:
            GraphError: If the name is taken.
            CompileError: If the dag cannot be compiled.
        """
        plan = dag if isinstance(dag, Plan) else compile(dag)
        settings = Recovery.of(checkpoints, recovery, "add")
        self._register(plan.dag.name, DagJob(plan, until, flush=flush, recovery=settings), restart, backoff)

    def add_feedback(
        self,
        name: str,
        provider: str,
        /,
        *,
        policy: FeedbackPolicy | None = None,
        every: Duration = "1s",
        pressure: Callable[[], float] | None = None,
        max_latency: Duration | None = None,
        on_decision: Callable[[FeedbackDecision], object] | None = None,
    ) -> None:
        """Slow a provider down while a dag cannot keep up with its data.

        At regular intervals, the pressure on the dag is measured. The policy turns it into a scale for the provider in
        `rates`, which `rates.acquire`, `rates.limited` and `stream_quotes` apply.

        Args:
            name: Name of the dag.
            provider: Provider to slow down; it must be registered.
            policy: When to slow down, by how much, and how to recover.
            every: Time between two measurements.
            pressure: Function that returns the pressure, 0 to 1; by default the fill level of the fullest gate of the
                dag. For a store, return how full its queue is.
            max_latency: Write time of a sink that counts as a pressure of 1. The mean write time since the previous
                measurement is then used too, if its pressure is higher than that of the gates.
            on_decision: Function called with each decision. `events()` reports changes of the level, and the return to
                the full rate.

        Raises:
            GraphError: If the provider is not registered, or both `pressure` and `max_latency` are given.
        """
        self.rates.state(provider)
        if pressure is not None and max_latency is not None:
            raise GraphError("add_feedback: max_latency goes with the pressure of the gates, got pressure= too")
        if pressure is not None:
            check_function(pressure, "add_feedback: pressure", instead="")
        if on_decision is not None:
            check_function(on_decision, "add_feedback: on_decision", "the decision", instead="")
        limit_ns = None if max_latency is None else positive_ns(max_latency, "add_feedback: max_latency")
        measured = pressure or Pressure(partial(self._stats_of, name), limit_ns)
        every_s = positive_ns(every, "add_feedback: every") / 1e9
        feedback = Feedback(policy)

        def measure() -> None:
            before = self.decisions.get((name, provider))
            decision = feedback.update(measured(), self._clock.now())
            self.decisions[name, provider] = decision
            is_back = decision.scale == 1 and before is not None and before.scale < 1
            if is_back or decision.level != ("ok" if before is None else before.level):
                self._tell(RuntimeEvent("feedback", name, decision.at, decision=decision))
                self._log.tell(
                    "job.feedback", job=name, provider=provider, pressure=decision.level, scale=decision.scale
                )
            if decision.scale != self.rates.state(provider).scale:
                self.rates.set_scale(provider, decision.scale)
            if on_decision is not None:
                on_decision(decision)

        self._every(every_s, measure)

    def _stats_of(self, name: str) -> RunStats | None:
        job = self._jobs.get(name)
        return None if job is None or job.run is None else job.run.stats()
