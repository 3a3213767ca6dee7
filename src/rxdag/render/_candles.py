"""Candlestick charts of bars: one self-contained HTML file."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rxdag.contract import check_function, import_extra
from rxdag.errors import GraphError

_FIELDS: Final = ("open", "high", "low", "close", "volume")
_MOST_SERIES: Final = 24
_IN_FULL: Final = {"exponentformat": "none", "separatethousands": True}
"""Axis settings that show full numbers, not 61.84k."""


def _field(bar: Any, name: str) -> Any:
    """Return a field of a bar.

    Raises:
        GraphError: If the bar lacks it.
    """
    try:
        if isinstance(bar, Mapping):
            return bar[name]  # pyright: ignore[reportUnknownVariableType]
        return getattr(bar, name)
    except (AttributeError, KeyError):
        raise GraphError(
            f"candlesticks: each bar must have {', '.join(_FIELDS)}, a time and the field of `by`, got one without "
            f'"{name}"; name the field of the time with time=, that of the series with by='
        ) from None


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
    by: Callable[[Any], str] | str | None = None,
    time: str = "start",
    title: str = "bars",
    most: int = 2000,
) -> str:
    """Return bars as a candlestick chart with volume, as an HTML page.

    The page needs no network. This needs the extra `charts`.

    Args:
        bars: Bars in order, with `open`, `high`, `low`, `close`, `volume` and a time, as attributes or in a mapping.
        by: Field, or function of a bar, that names its series; the series can be selected. By default there is one.
        time: Field with the time: a datetime, ISO text, or a number since the epoch: ns from 10^15 on, else ms. Times
            with a zone are shown in UTC, those without one as they are.
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
    name_of = _name_of(by, title)
    go = import_extra("plotly.graph_objects", "charts", "candlesticks")
    layout = import_extra("plotly.subplots", "charts", "candlesticks")
    series: dict[str, deque[Any]] = {}
    for bar in bars:
        series.setdefault(name_of(bar), deque(maxlen=most)).append(bar)
    chosen = sorted(series, key=lambda name: (-len(series[name]), name))[:_MOST_SERIES]
    figure = layout.make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.78, 0.22], vertical_spacing=0.03)
    is_utc = True
    for i, name in enumerate(chosen):
        times, columns, known = _columns(series[name], time)
        is_utc = is_utc and known
        volume = columns.pop("volume")
        figure.add_trace(go.Candlestick(x=times, name=name, visible=i == 0, **columns), row=1, col=1)
        figure.add_trace(
            go.Bar(x=times, y=volume, name="volume", visible=i == 0, marker={"color": "#9fb3c8"}), row=2, col=1
        )
    titles = [title if by is None else f"{title}: {name}" for name in chosen]
    figure.update_layout(_layout(chosen, titles or [title], "time, UTC" if is_utc else "time"))
    page: str = figure.to_html(
        include_plotlyjs=True,
        full_html=True,
        config={"scrollZoom": True, "displaylogo": False},
        div_id="candles",  # plotly's own is random, and the same bars give the same page
    )
    return page


def _name_of(by: Callable[[Any], str] | str | None, title: str) -> Callable[[Any], str]:
    """Return the function that names the series of a bar."""
    if isinstance(by, str):
        return lambda bar: str(_field(bar, by))
    if by is None:
        return lambda bar: title
    check_function(by, "candlesticks: by", "the bar", instead="")
    return by


def _columns(bars: Iterable[Any], time: str) -> tuple[list[Any], dict[str, list[Any]], bool]:
    """Return the times and the columns of a series, and whether all times are known to be in UTC."""
    instants = [_utc(_field(bar, time)) for bar in bars]
    columns = {field: [_field(bar, field) for bar in bars] for field in _FIELDS}
    return [at for at, _ in instants], columns, all(known for _, known in instants)


def _layout(names: list[str], titles: list[str], time_title: str) -> dict[str, Any]:
    """Return the layout of a chart, with a button for each series if there are several."""
    buttons = [
        {
            "label": name,
            "method": "update",
            "args": [{"visible": [j // 2 == i for j in range(2 * len(names))]}, {"title.text": titles[i]}],
        }
        for i, name in enumerate(names)
    ]
    has_menu = len(buttons) > 1
    # The menu is on the left, since the toolbar of the chart is on the right.
    menu = {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
    return {
        "title": {"text": titles[0], "yref": "container", "y": 0.97, "yanchor": "top"},
        "margin": {"t": 120 if has_menu else 70},
        "template": "plotly_white",
        "showlegend": False,
        "xaxis": {"rangeslider": {"visible": False}},
        "xaxis2": {"title": time_title},
        "yaxis": {"title": "price", **_IN_FULL},
        "yaxis2": {"title": "volume", **_IN_FULL},
        "updatemenus": [menu] if has_menu else [],
    }
