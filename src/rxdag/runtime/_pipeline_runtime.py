"""PipelineRuntime: many dags and linear pipelines under one supervisor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, overload

from rxdag.adapters import is_linear, linear_dag, market_data
from rxdag.contract import SKIP, Duration, OnError, OnErrorName, Timeout, check_function, positive_ns
from rxdag.errors import GraphError, shown
from rxdag.graph import Dag, DagBuilder, SinkNode
from rxdag.orchestration import (
    Feedback,
    FeedbackDecision,
    FeedbackPolicy,
    RateCoordinator,
    RouterEvent,
    SourceRegistry,
    SourceRouter,
)
from rxdag.plan import Plan, compile
from rxdag.runtime._pressure import Pressure
from rxdag.runtime._result import RunStats
from rxdag.runtime._settings import RestartPolicy, RuntimeSettings, checked_settings
from rxdag.runtime._supervised import DagJob, Job, RuntimeEvent, TaskJob
from rxdag.runtime._supervisor import Supervisor
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


class PipelineRuntime(Supervisor):
    """A runtime that supervises dags and linear pipelines separately, side by side.

    A dag or pipeline that fails does not stop the others. The runtime is an async context manager, which starts
    everything registered and stops it on exit; `run()` is the blocking form. Anything registered later on its event
    loop starts at once. A dag that needs no event loop runs on its own threads.

    Inside the `async with` block, SIGTERM drains everything and a second one cancels; then the block is cancelled and
    raises `Terminated`. Ctrl-C cancels, as in asyncio. A SIGTERM handler installed by the program stays in place.

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
        super().__init__(checked_settings(settings))
        self.registry = SourceRegistry()
        self.rates = RateCoordinator()
        self._adopted: Any = None
        self._is_adopted_up = False
        self.decisions: dict[tuple[str, str], FeedbackDecision] = {}
        """The last decision of each feedback, by dag and provider."""
        for name, provider in self.settings.providers.items():
            self.rates.register_provider(
                name,
                provider.capacity,
                provider.refill_rate,
                cooldown=provider.cooldown,
                breaker_threshold=provider.breaker_threshold,
                breaker_timeout=provider.breaker_timeout,
            )

    @classmethod
    def from_existing(
        cls, existing: Any, settings: RuntimeSettings | Mapping[str, Any] | None = None
    ) -> PipelineRuntime:
        """Adopt a PipelineRuntime of market-data-pipeline, and run dags beside it.

        Its service keeps running its pipelines. `list_pipelines`, `run_pipeline`, `stop_pipeline`, `initialize` and
        `shutdown` are forwarded to it, and its registered sources can be streamed.

        Args:
            existing: The runtime, initialized or not.
            settings: Settings of the new runtime.

        Raises:
            GraphError: If `existing` is not such a runtime.
        """
        missing = [
            n for n in ("service", "registry", "initialize", "shutdown", "run_pipeline") if not hasattr(existing, n)
        ]
        if missing:
            raise GraphError(
                f"from_existing: takes a PipelineRuntime of market-data-pipeline, got {shown(existing)}, which lacks "
                f"{', '.join(missing)}"
            )
        runtime = cls(settings)
        runtime._adopted = existing
        return runtime

    # ---- dags and pipelines

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
    ) -> None:
        """Register a dag under its name.

        It starts with the runtime, or at once if the runtime has started.

        Args:
            dag: The dag to run.
            restart: "never", "on_failure" or "always"; by default as in the settings.
            backoff: Delays between restarts; by default as in the settings.
            until: Drain each run of the dag after this time.
            flush: True to close open panes on every drain, whatever its cause; see `Run.drain`.

        Raises:
            GraphError: If the name is taken.
            CompileError: If the dag cannot be compiled.
        """
        plan = dag if isinstance(dag, Plan) else compile(dag)
        self._register(plan.dag.name, DagJob(plan, until, flush=flush), restart, backoff)

    def add_pipeline(
        self,
        name: str,
        pipeline: Any,
        /,
        *,
        restart: RestartPolicy | None = None,
        backoff: Backoff | None = None,
        until: Duration | None = None,
        flush: bool = False,
        on_error: OnError | OnErrorName = SKIP,
    ) -> None:
        """Register a linear pipeline, unchanged.

        It consists of source, operator, batcher and sink objects, or has a coroutine `run()`.

        Args:
            name: Name in this runtime.
            pipeline: The pipeline, such as a StreamingPipeline of market-data-pipeline.
            restart: See `add`.
            backoff: See `add`.
            until: Drain the pipeline after this time.
            flush: See `add`; only for a pipeline with source, operator, batcher and sink.
            on_error: What to do with a tick or batch if the pipeline's code fails on it: by default it is skipped and
                counted, because the pipeline's own `run` also continues after it.

        Raises:
            GraphError: If the name is taken, or `pipeline` is not a pipeline.
        """
        job: Job
        if is_linear(pipeline):
            job = DagJob(compile(linear_dag(name, pipeline, on_error=on_error)), until, "pipeline", flush=flush)
        elif hasattr(pipeline, "run"):
            job = TaskJob(pipeline)
        else:
            raise GraphError(
                f"add_pipeline: takes an object with source, operator, batcher and sink, or one with a coroutine run(), "
                f"got {shown(pipeline)}"
            )
        self._register(name, job, restart, backoff)

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
            if decision.scale != self.rates.state(provider).scale:
                self.rates.set_scale(provider, decision.scale)
            if on_decision is not None:
                on_decision(decision)

        self._every(every_s, measure)

    def _stats_of(self, name: str) -> RunStats | None:
        job = self._jobs.get(name)
        return None if job is None or job.run is None else job.run.stats()

    # ---- as it always was

    async def start(self) -> None:
        """Start everything that is registered or adopted. A second call does nothing."""
        if self._adopted is not None and not self._is_adopted_up:
            await self._adopted.initialize()
            self._is_adopted_up = True
        await super().start()

    async def stop(self, *, drain: bool = True, flush: bool | None = None, timeout: Timeout | None = None) -> None:  # noqa: ASYNC109  # as that of a run
        """Stop everything; see `Supervisor.stop`.

        Args:
            drain: True to stop reading and let everything under way reach the sinks; False to cancel.
            flush: True to close open panes, False to leave them open; by default as given to `add` for each dag.
            timeout: Time after which a drain becomes a cancel, such as 10, "10s" or a timedelta; by default as in the
                settings.
        """
        await super().stop(drain=drain, flush=flush, timeout=timeout)
        if self._is_adopted_up:
            self._is_adopted_up = False
            await self._adopted.shutdown()

    async def initialize(self) -> None:
        """Start everything that is registered; the same as `start`."""
        await self.start()

    async def shutdown(self) -> None:
        """Drain and stop everything; the same as `stop`."""
        await self.stop()

    async def stream_quotes(
        self, symbols: Sequence[str], source_priority: Sequence[str] | None = None
    ) -> AsyncIterator[Any]:
        """Yield quotes of the first source that works, within its provider's rate.

        Args:
            symbols: Symbols of the instruments.
            source_priority: Names in `registry`, in order; by default as in the settings, which default to simulated
                quotes.

        Raises:
            GraphError: If a source is unknown.
            SourceError: If all sources failed too often.
        """
        quotes = self.settings.quotes
        makers = {
            name: self._maker(name, list(symbols))
            for name in (quotes.sources if source_priority is None else source_priority)
        }
        router = SourceRouter(makers, silent_after=quotes.silent_after, rounds=quotes.rounds, on_event=self._routed)
        items = router.stream()
        try:
            async for quote in items:
                if router.active in self.rates.providers:
                    await self.rates.acquire(router.active)
                yield quote
        finally:
            await items.aclose()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # it is a generator

    def _maker(self, name: str, symbols: list[str]) -> Any:
        adopted = getattr(self._adopted, "registry", None)
        known: Sequence[str] = () if adopted is None else adopted.list_sources()
        maker = adopted.load(name) if adopted is not None and name in known else self.registry.load(name)
        options = self.settings.quotes.options.get(name, {})
        return lambda: maker(symbols=symbols, **options)

    def _routed(self, event: RouterEvent) -> None:
        if event.source in self.rates.providers:
            if event.kind == "failed":
                self.rates.breaker(event.source).failed()
            elif event.kind == "using":
                self.rates.breaker(event.source).reset()

    async def run_pipeline(self, spec: Any, /) -> str:
        """Build and start a pipeline from a PipelineSpec of market-data-pipeline.

        Returns:
            Its key, "tenant:pipeline".

        Raises:
            MissingExtra: If market-data-pipeline is not installed.
            GraphError: If a pipeline with that key exists.
        """
        if self._adopted is not None:
            key: str = await self._adopted.run_pipeline(spec)
            return key
        await self.start()
        key, pipeline, until = await market_data.build_pipeline(spec)
        self.add_pipeline(key, pipeline, until=until)
        return key

    async def list_pipelines(self) -> list[str]:
        """Return the keys of all running pipelines."""
        own = [name for name, job in self._jobs.items() if job.job.kind == "pipeline" and not job.is_over]
        theirs: list[str] = [] if self._adopted is None else await self._adopted.list_pipelines()
        return [*own, *theirs]

    async def stop_pipeline(self, key: str, /) -> None:
        """Stop a pipeline and remove it.

        Raises:
            GraphError: If no pipeline has that key.
        """
        if key not in self._jobs and self._adopted is not None:
            await self._adopted.stop_pipeline(key)
            return
        job = self._found(key)
        await self._stop_one(job, drain=True)
        del self._jobs[key]
