"""Candlestick charts of bars: one self-contained HTML file."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rxdag.contract import check_function, import_extra
from rxdag.errors import GraphError, text_of

_FIELDS: Final = ("open", "high", "low", "close", "volume")
_MOST_SERIES: Final = 24
_IN_FULL: Final = {"exponentformat": "none", "separatethousands": True}
"""Axis settings that show full numbers, not 61.84k."""


def _value(bar: Any, name: str) -> Any:
    if isinstance(bar, Mapping):
        return bar[name]  # pyright: ignore[reportUnknownVariableType]
    return getattr(bar, name)


_NS_FROM: Final = 10**15
"""Least number that is taken for ns since the epoch: 1970-01-12. As ms it would be the year 33658."""


def _utc(given: Any) -> tuple[Any, bool]:
    """Return a time for the chart, which ignores zones, and whether it is known to be in UTC."""
    if isinstance(given, int | float):
        return given / 1_000_000 if abs(given) >= _NS_FROM else given, True  # ms since the epoch
    try:
        at = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        return given, False
    if not isinstance(at, datetime) or at.tzinfo is None:
        return given, False
    return at.astimezone(UTC).replace(tzinfo=None), True


def candlesticks(
    bars: Iterable[Any],
    /,
    *,
    by: Callable[[Any], str] | None = None,
    time: str = "start",
    title: str = "bars",
    most: int = 2000,
) -> str:
    """Return bars as a candlestick chart with volume, as an HTML page.

    The page needs no network. This needs the extra `charts`.

    Args:
        bars: Bars in order, with `open`, `high`, `low`, `close`, `volume` and a time, as attributes or in a mapping.
        by: Function that returns the name of a bar's series, which can be selected. By default there is one series.
        time: Field with the time: a datetime, ISO text, or a number since the epoch: ns from 10^15 on, else ms. Times with a zone are shown in UTC, those
            without one as they are.
        title: Title of the chart; with `by`, the name of the selected series follows it.
        most: Maximum number of bars per series: the last ones. Of more than 24 series, those with the most bars are
            shown.

    Raises:
        GraphError: If a bar lacks a field.
        MissingExtra: If plotly is not installed.

    Example:
        >>> bar = {"start": "2024-08-08T00:00:00", "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5, "volume": 7.0}
        >>> page = render.candlesticks([bar], title="one bar")
        >>> "candlestick" in page, "<script src" in page
        (True, False)
    """
    if by is not None:
        check_function(by, "candlesticks: by", "the bar", instead="")
    go = import_extra("plotly.graph_objects", "charts", "candlesticks")
    layout = import_extra("plotly.subplots", "charts", "candlesticks")
    series: dict[str, deque[Any]] = {}
    for bar in bars:
        name = title if by is None else by(bar)
        series.setdefault(name, deque(maxlen=most)).append(bar)
    chosen = sorted(series, key=lambda name: (-len(series[name]), name))[:_MOST_SERIES]
    is_utc = True
    figure = layout.make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.78, 0.22], vertical_spacing=0.03)
    for i, name in enumerate(chosen):
        try:
            instants = [_utc(_value(bar, time)) for bar in series[name]]
            columns = {field: [_value(bar, field) for bar in series[name]] for field in _FIELDS}
        except (AttributeError, KeyError) as error:
            raise GraphError(
                f"candlesticks: each bar must have {', '.join((time, *_FIELDS))}, got one without: {text_of(error)}"
            ) from None
        volume = columns.pop("volume")
        times = [at for at, _ in instants]
        is_utc = is_utc and all(known for _, known in instants)
        figure.add_trace(go.Candlestick(x=times, name=name, visible=i == 0, **columns), row=1, col=1)
        figure.add_trace(
            go.Bar(x=times, y=volume, name="volume", visible=i == 0, marker={"color": "#9fb3c8"}), row=2, col=1
        )
    titles = [title if by is None else f"{title}: {name}" for name in chosen]
    buttons = [
        {
            "label": name,
            "method": "update",
            "args": [{"visible": [j // 2 == i for j in range(2 * len(chosen))]}, {"title.text": titles[i]}],
        }
        for i, name in enumerate(chosen)
    ]
    figure.update_layout(
        title={"text": titles[0] if titles else title, "yref": "container", "y": 0.97, "yanchor": "top"},
        margin={"t": 120 if len(buttons) > 1 else 70},
        template="plotly_white",
        showlegend=False,
        xaxis={"rangeslider": {"visible": False}},
        xaxis2={"title": "time, UTC" if is_utc else "time"},
        yaxis={"title": "price", **_IN_FULL},
        yaxis2={"title": "volume", **_IN_FULL},
        # On the left, since the toolbar of the chart is on the right.
        updatemenus=[{"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}]
        if len(buttons) > 1
        else [],
    )
    page: str = figure.to_html(
        include_plotlyjs=True,
        full_html=True,
        config={"scrollZoom": True, "displaylogo": False},
        div_id="candles",  # plotly's own is random, and the same bars give the same page
    )
    return page
