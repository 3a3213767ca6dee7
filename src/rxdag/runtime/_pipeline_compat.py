"""PipelineCompat: the methods that PipelineRuntime shares with that of market-data-pipeline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rxdag.adapters import is_linear, linear_dag
from rxdag.contract import SKIP, Duration, OnError, OnErrorName, Timeout
from rxdag.errors import GraphError, shown
from rxdag.orchestration import RateCoordinator, RouterEvent, SourceRegistry, SourceRouter
from rxdag.plan import compile
from rxdag.runtime._dag_job import DagJob
from rxdag.runtime._settings import RestartPolicy, RuntimeSettings, checked_settings
from rxdag.runtime._supervised import Job, TaskJob
from rxdag.runtime._supervisor import Supervisor
from rxdag.sources import Backoff

if TYPE_CHECKING:
    from typing import Self


class PipelineCompat(Supervisor):
    """The methods of market-data-pipeline's runtime, for linear pipelines and quotes.

    Programs that were written for that runtime keep working. Dags need none of these methods: `start` does what
    `initialize` does, `stop` what `shutdown` does, and `add` and `create_dag` are for dags what `add_pipeline` is for
    pipelines.
    """

    def __init__(self, settings: RuntimeSettings | Mapping[str, Any] | None = None) -> None:
        super().__init__(checked_settings(settings))
        self.registry = SourceRegistry()
        self.rates = RateCoordinator()
        self._adopted: Any = None
        self._is_adopted_up = False
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
    def from_existing(cls, existing: Any, settings: RuntimeSettings | Mapping[str, Any] | None = None) -> Self:
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

    async def start(self) -> None:
        """Start everything that is registered or adopted. A second call does nothing."""
        if self._adopted is not None and not self._is_adopted_up:
            await self._adopted.initialize()
            self._is_adopted_up = True
        await super().start()

    async def stop(self, *, drain: bool = True, flush: bool | None = None, timeout: Timeout | None = None) -> None:  # noqa: ASYNC109  # as that of a run
        """Stop everything, including an adopted runtime.

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
        from rxdag.adapters import market_data  # it loads the aggregates and the market, which few runs need

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
