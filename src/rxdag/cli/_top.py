"""`rxdag top`: a live table of nodes and gates, of this process or another."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any, Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rxdag import metrics
from rxdag.engine import SIDES
from rxdag.errors import RxDagError
from rxdag.runtime import AsyncRun, PipelineRuntime, Run

Status = dict[str, Any]

_ENDED: Final = ("completed", "finished", "failed", "cancelled", "stopped")
_WIDTH: Final = 160
_BUSY: Final = 0.9
_FULL: Final = 0.9


class Top:
    """Makes tables of statuses, with rates since the one before."""

    def __init__(self) -> None:
        self._before: tuple[float, Status] | None = None

    def table(self, status: Status, now: float) -> RenderableType:
        """Return the table of a status from `metrics.status`.

        Args:
            status: Status of all dags, by name.
            now: Time of the status, s, on any steady clock.
        """
        since, before = self._before or (now, {})
        parts: list[RenderableType] = []
        for name, dag in status.items():
            seconds = now - since
            parts += _of_dag(name, dag, before.get(name, {}), seconds if seconds > 0 else 0.0)
        self._before = now, status
        return Group(*parts) if parts else Text("nothing runs")


def _of_dag(name: str, dag: Status, before: Status, seconds: float) -> list[RenderableType]:
    state = str(dag["state"])
    style = "bold red" if state == "failed" else "bold"
    head = Text(f"{name}: {state}", style=style)
    if "elapsed_s" in dag:
        head.append(f" for {dag['elapsed_s']:,.0f} s", style="not bold")
    if dag.get("restarts"):
        head.append(f", {dag['restarts']} restarts", style="yellow")
    parts: list[RenderableType] = [head]
    if dag.get("error"):
        parts.append(Text(str(dag["error"]), style="red"))
    if dag.get("checkpoints"):
        failures = dag["checkpoints"]["failures"]
        parts.append(Text(str(dag["checkpoints"]["line"]), style="yellow" if failures else ""))
    if dag.get("nodes"):
        parts.append(_nodes(dag, before, seconds))
    if dag.get("gates"):
        parts.append(_gates(dag["gates"], before.get("gates", {}), seconds))
    return parts


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name, justify="left" if name in ("node", "gate", "fill") else "right", no_wrap=True)
    return table


def _nodes(dag: Status, before: Status, seconds: float) -> Table:
    table = _table("node", "in/s", "out/s", "in", "out", "held", "lost", "errors", "busy", "lag")
    for name, ledger in dag["nodes"].items():
        then: Status = before.get("nodes", {}).get(name, {})
        came, went = ledger.get("arrived", 0), _out(ledger)
        is_source = name in dag.get("sources", {})
        rates = [came - then.get("arrived", 0), went - _out(then)] if then and seconds else [None, None]
        shown = ["" if rate is None else f"{rate / seconds:,.0f}" for rate in rates]
        table.add_row(
            name,
            "" if is_source else shown[0],
            shown[1],
            "" if is_source else f"{came:,}",
            f"{went:,}",
            _some(ledger.get("held", 0)),
            _some(ledger.get("lost", 0), "yellow"),
            _some(ledger.get("errors", 0), "red"),
            _share(dag.get("busy_s", {}), before.get("busy_s", {}), name, seconds),
            _behind(dag.get("lag_s", {}).get(name)),
        )
    return table


def _out(ledger: Status) -> int:
    return sum(n for port, n in ledger.get("out", {}).items() if port not in SIDES)


def _gates(gates: Status, before: Status, seconds: float) -> Table:
    table = _table("gate", "fill", "items", "of", "peak", "blocked", "dropped")
    for name, gate in gates.items():
        blocked = {name: gate["blocked_s"]}
        then = {name: before[name]["blocked_s"]} if name in before else {}
        full = gate["capacity"] and gate["depth"] >= _FULL * gate["capacity"]
        table.add_row(
            name,
            ProgressBar(
                gate["capacity"] or 1, gate["depth"], width=12, complete_style="red" if full else "bar.complete"
            ),
            f"{gate['depth']:,}",
            f"{gate['capacity']:,}",
            f"{gate['high_water']:,}",
            _share(blocked, then, name, seconds),
            _some(gate["dropped"], "yellow"),
        )
    return table


def _some(n: int, style: str = "") -> Text:
    return Text(f"{n:,}" if n else "", style=style)


def _share(now: Status, before: Status, name: str, seconds: float) -> Text:
    if name not in now or name not in before or not seconds:
        return Text("")
    share = min(1.0, (now[name] - before[name]) / seconds)
    return Text(f"{share:.0%}", style="red" if share > _BUSY else "")


def _behind(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if abs(seconds) >= 2 * 86_400:
        return f"{seconds / 86_400:,.0f} d"
    return f"{seconds:,.1f} s" if abs(seconds) < 600 else f"{seconds / 60:,.0f} min"


def fetched(url: str) -> Status:
    """Return the status of a run in another process.

    Raises:
        RxDagError: If it cannot be fetched.
    """
    address = url if "://" in url else f"http://{url}"
    where = address.rstrip("/") if address.rstrip("/").endswith("/status") else f"{address.rstrip('/')}/status"
    try:
        with urllib.request.urlopen(where, timeout=5) as answer:
            found: Any = json.load(answer)
    except (OSError, ValueError) as error:
        raise RxDagError(
            f"top: {where} must be where a run serves its metrics (rxdag run --metrics-port, metrics.serve), got {error}"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(dag, dict) and "state" in dag for dag in found.values()):  # pyright: ignore[reportUnknownVariableType]
        raise RxDagError(f"top: {where} must give the status of dags, got {str(found)[:80]}")  # pyright: ignore[reportUnknownArgumentType]
    return found  # pyright: ignore[reportUnknownVariableType]


def is_over(status: Status) -> bool:
    """Return True if nothing runs any more."""
    return bool(status) and all(dag["state"] in _ENDED for dag in status.values())


def show(
    read: Callable[[], Status], *, every_s: float = 1.0, once: bool = False, console: Console | None = None
) -> None:
    """Show the status from `read` until nothing runs, the status is no longer available, or Ctrl-C is pressed.

    Args:
        read: Returns the status.
        every_s: Interval, s.
        once: True to show it once, with rates over `every_s`.
        console: The console; by default standard output.
    """
    console = console or _console()
    top = Top()
    table = top.table(read(), time.monotonic())
    if once:
        time.sleep(every_s)
        _print(console, top.table(read(), time.monotonic()))
        return
    if not console.is_terminal:
        _follow(read, top, every_s, console, lambda table: _print(console, table))
        return
    with Live(table, console=console, auto_refresh=False, screen=False) as live:
        _follow(read, top, every_s, console, lambda table: live.update(table, refresh=True))


def _follow(
    read: Callable[[], Status], top: Top, every_s: float, console: Console, draw: Callable[[RenderableType], None]
) -> None:
    while True:
        time.sleep(every_s)
        try:
            status = read()
        except RxDagError:  # its server answered before, so its process has ended
            _print(console, "the run has ended: its server is gone")
            return
        draw(top.table(status, time.monotonic()))
        if is_over(status):
            return


def _print(console: Console, shown: RenderableType) -> None:
    """Print and flush, so that the reader of a pipe gets it at once."""
    console.print(shown)
    console.file.flush()


def _console() -> Console:
    """Return the standard output, wide enough for a whole row if it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


def top(thing: Run | AsyncRun | PipelineRuntime, /, *, every_s: float = 1.0) -> None:
    """Show a live table of a run in this process, or of everything in a runtime, until it ends.

    It blocks: call it where you would call `run.wait()`, and for a runtime from another thread than that of its loop.

    Args:
        thing: The run or runtime.
        every_s: Interval between updates, s.
    """
    show(lambda: metrics.status(thing), every_s=every_s)
