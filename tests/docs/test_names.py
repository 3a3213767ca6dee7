"""Every name of rxdag in the documentation resolves, and takes the arguments that it is given there."""

from __future__ import annotations

import builtins
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from rxdag.logs import CODES
from tests.docs.names import CALLABLES, parameters, problems
from tests.docs.pages import Code, spans
from tests.docs.test_commands import is_command

FOREIGN = frozenset({"backports", "ufunc", "tests", "tool"})
ELSEWHERE = frozenset(
    {"AsyncDataStream", "TumblingEventTimeWindows", "WatermarkStrategy", "csp", "df", "op", "pandas", "pl", "polars"}
)
"""Names of other libraries, in the tables that compare them."""
TABLES = frozenset({"coming-from.md", "from-rxpy.md"})
"""Pages whose tables have a column of names of other libraries."""
THEIRS = frozenset(
    {"Any", "AsyncStoreClient", "BarsSink", "Decimal", "KeyedProcessFunction", "MarketDataProvider"}
) | frozenset({"LogRecord", "StreamingPipeline", "TradesTable", "WriteCoordinator"})
"""Classes of other libraries, and of the examples."""
LABELS = frozenset({"rxdag.nodes", "rxdag.sources"}) | CODES.keys() | {code.logger for code in CODES.values()}
"""Groups of entry points, codes of the log and loggers, which look like names."""


def current() -> Iterator[Code]:
    """Yield what is said of rxdag as it is: a changelog also names what is gone."""
    for code in spans():
        is_yaml = re.match(r"\w+: ", code.text)
        is_name = not (is_yaml or is_command(code) or code.text.startswith("--") or code.text in LABELS)
        if is_name and not code.where.startswith("docs/changelog.md"):
            yield code


def test_every_name_in_prose_exists_and_takes_what_it_is_given():
    found = [problem for code in current() for problem in problems(code, foreign=FOREIGN | ELSEWHERE)]
    assert found == []


def test_every_argument_in_prose_is_one_of_a_public_function():
    """As in "With `max_drift=` ..."."""
    known = {name for each in CALLABLES.values() for thing in each for name in parameters(thing) or ()}
    known |= {"fold", "array_like", "tag", "tag_field"}  # of datetime and msgspec.Struct
    named = [(found[1], code.where) for code in current() if (found := re.fullmatch(r"([a-z]\w*)=\S*", code.text))]
    assert len(named) > 50
    assert [(name, where) for name, where in named if name not in known] == []


def test_every_class_in_prose_exists():
    known = {name for name, things in CALLABLES.items() if any(map(inspect.isclass, things))} | set(dir(builtins))
    named = [
        (code.text, code.where)
        for code in current()
        if re.fullmatch(r"[A-Z][a-z]+([A-Z][a-z]+)*", code.text)
        and Path(code.where).parts[-1].split(":")[0] not in TABLES
    ]
    assert len(named) > 50
    assert [(name, where) for name, where in named if name not in known | THEIRS] == []


def test_a_wrong_name_or_argument_is_told():
    def told(text: str) -> list[str]:
        return [problem.removeprefix(f"here: {text}: ") for problem in problems(Code(text, "here"))]

    assert told('ops.event_time("ts", out_of_order="1s")') == []
    assert told("event_time(quiet=)") == ["event_time takes no quiet="]
    assert told("ops.event_time(quiet=)") == ["event_time takes no quiet="]
    assert told('.buffered(max_item=100, overflow="block")') == ["buffered takes no max_item="]
    assert told("ops.mapp") == ["ops.mapp has no mapp"]
    assert told("run.pause()") == ["run.pause has no pause"]
    assert told("result.problems") == []
    assert told("elsewhere.map(fn)") == ["elsewhere is not known"]
