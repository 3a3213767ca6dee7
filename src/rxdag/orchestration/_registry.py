"""The sources that can be had by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from rxdag.errors import GraphError, RxDagError, did_you_mean, shown
from rxdag.orchestration._provider_quotes import SimulatedProvider

GROUPS: Final = ("market_data.providers", "rxdag.sources")
"""Entry point groups in which packages announce sources."""


class SourceRegistry:
    """Factories of sources, by name.

    A factory returns an async iterable, or an object with `stream()`. A new registry contains "synthetic", simulated
    quotes.

    Example:
        >>> async def ticks():
        ...     yield 50_000.0
        >>> registry = rxdag.orchestration.SourceRegistry()
        >>> registry.register("mine", ticks)
        >>> registry.names
        ('synthetic', 'mine')
        >>> rxdag.from_source(sources.async_iterable(registry.load("mine"))).collect()
        [50000.0]
    """

    def __init__(self) -> None:
        self._makers: dict[str, Callable[..., Any]] = {"synthetic": SimulatedProvider}
        self.failures: dict[str, Exception] = {}
        """Entry points that could not be loaded, and why."""

    def register(self, name: str, maker: Callable[..., Any]) -> None:
        """Add or replace a factory.

        Raises:
            GraphError: If the factory is not callable.
        """
        if not callable(maker):
            raise GraphError(f'register: the factory of "{name}" must be a class or a function, got {shown(maker)}')
        self._makers[name] = maker

    @property
    def names(self) -> tuple[str, ...]:
        """Return all registered names."""
        return tuple(self._makers)

    def load(self, name: str) -> Callable[..., Any]:
        """Return the factory with this name.

        Raises:
            GraphError: If there is none; the message lists the known names.
        """
        if name in self._makers:
            return self._makers[name]
        if name in self.failures:
            raise RxDagError(
                f'source "{name}" has an entry point that could not be loaded: {self.failures[name]}'
            ) from (self.failures[name])
        known = ", ".join(f'"{each}"' for each in self._makers)
        raise GraphError(f'source "{name}" is not known{did_you_mean(name, self._makers)}; known: {known}')

    def discover(self, groups: tuple[str, ...] = GROUPS) -> tuple[str, ...]:
        """Register the sources that installed packages announce as entry points.

        Entry points that fail to load are kept in `failures`.

        Returns:
            Names that are new.
        """
        from importlib.metadata import entry_points

        found: list[str] = []
        for group in groups:
            for entry in entry_points(group=group):
                try:
                    maker = entry.load()
                except Exception as error:  # foreign code; the error is raised when the name is loaded
                    self.failures[entry.name] = error
                    continue
                if entry.name not in self._makers:
                    found.append(entry.name)
                self.register(entry.name, maker)
        return tuple(found)
