"""Calls as their user wrote them, in `explain()` and `describe()`: no private class, no address, nothing that is secret or large."""

import datetime as dt
import os
import runpy
from functools import partial

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import col, sinks, sources, windows
from rxdag import operators as ops
from rxdag.contract import without_logins, written


def is_large(item, least=10):
    return item > least


class Kept:
    def keeps(self, item):
        return True


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (
            ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty")),
            'window(tumbling("1s"), ohlcv("price", "qty"))',
        ),
        (
            ops.window(windows.session("30s"), agg.count(), allowed_lateness="5s"),
            'window(session("30s"), count(), allowed_lateness="5s")',
        ),
        (ops.event_time("ts", unit="ms", out_of_order="500ms"), 'event_time("ts", unit="ms", out_of_order="500ms")'),
        (ops.dedupe("symbol", col.trade_id, within="5s"), 'dedupe("symbol", col.trade_id, within="5s")'),
        (ops.throttle(5, per=dt.timedelta(seconds=2)), "throttle(5, per=datetime.timedelta(seconds=2))"),
        (ops.filter(is_large), "filter(is_large)"),
        (ops.filter(partial(is_large, least=3)), "filter(partial(is_large, ...))"),
        (ops.filter(Kept().keeps), "filter(Kept.keeps)"),
        (ops.filter(col.qty > 0), "filter(col.qty > 0)"),
        (ops.route({"a": is_large, "b": "is_open"}), 'route({"a": is_large, "b": ...})'),
        (ops.select("symbol", value=col.price * 2), 'select("symbol", value=col.price * 2)'),
        (ops.take(5), "take(5)"),
        (sources.range(10), "range(10)"),
        (sources.iterable([1, 2, 3]), "iterable(...)"),
        (sinks.csv("out.csv"), 'csv("out.csv")'),
    ],
)
def test_a_call_is_shown_as_it_was_written(made, text):
    assert written(made) == text


ADDED = (lambda x: x + 1, lambda x: x * "é", lambda x: (x + 1) * 2)


@pytest.mark.parametrize(
    ("fn", "text"),
    [
        (ADDED[0], "lambda x: x + 1"),
        (ADDED[1], 'lambda x: x * "é"'),
        (ADDED[2], "lambda x: (x + 1) * 2"),
        (lambda t: t["price"] > 3 and not t["qty"], 'lambda t: t["price"] > 3 and not t["qty"]'),
        (lambda x: lambda y: x + y, "lambda x: lambda y: x + y"),
        (lambda x: [y for y in x if y], "lambda x: [y for y in x if y]"),
        (lambda *args, **named: (args, named), "lambda *args, **named: (args, named)"),
        (lambda url: url + "wss://me:secret@host", 'lambda url: url + "wss://...@host"'),
    ],
)
def test_a_short_lambda_is_shown_by_its_text(fn, text):
    assert written(ops.map(fn)) == f"map({text})"


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: (
            x,
            x,
        ),
        lambda x, f=lambda y: y: f(x),
        lambda x: x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x,
        eval("lambda x: x"),
        lambda key: f"wss://host/feed?token=secret&key={key}",
    ],
)
def test_a_lambda_that_is_long_or_secret_or_has_no_line_of_its_own_is_shown_by_its_place(fn):
    text = written(ops.map(fn))
    assert text == f"map(<lambda {os.path.basename(fn.__code__.co_filename)}:{fn.__code__.co_firstlineno}>)"


def test_a_lambda_of_a_file_that_was_edited_is_shown_by_its_place(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("fn = lambda item: item + 1\n")
    made = runpy.run_path(str(path))["fn"]
    path.write_text("fn = lambda other: other + 2\n")
    assert written(ops.map(made)) == "map(<lambda mine.py:1>)"


def test_a_lambda_that_makes_what_is_sent_is_shown_by_its_place():
    text = written(sinks.call(lambda item: ("my token", item)))
    assert text is not None
    assert text.startswith("call(<lambda test_written.py:")


def test_a_login_in_an_address_and_what_is_sent_to_a_server_are_not_shown():
    made = sources.websocket("wss://me:secret@host/feed", headers={"Authorization": "secret"}, subscribe="secret")
    assert written(made) == 'websocket("wss://...@host/feed", subscribe=..., headers=...)'


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://me:p@ss@host/feed", "wss://...@host/feed"),
        ("wss://host/feed?token=secret", "wss://host/feed?..."),
        ("wss://host?token=a@b#secret", "wss://host?..."),
        ("wss://host/a@b", "wss://host/a@b"),
    ],
)
def test_neither_logins_nor_queries_of_addresses_are_shown(url, shown):
    assert written(sources.websocket(url)) == f'websocket("{shown}")'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pg://me:pa/ss@host/db", "pg://...@host/db"),
        ("pg://me:pa/s@s@host:1/db?x=1", "pg://...@host:1/db?..."),
        ("pg://me:pa?ss@host/db", "pg://..."),
        ("pg://me:pa#ss@host/db", "pg://..."),
        ("pg://me@host", "pg://...@host"),
        ("redis://:pa/ss@host", "redis://...@host"),
        ("wss://me:p%40ss@host", "wss://...@host"),
        ("wss%3A%2F%2Fme%3Apa%2Fss%40host%3A1%2Fx%3Ftoken%3Dss", "wss%3A%2F%2F...@host%3A1%2Fx?..."),
        ("a wss://me:ss@host/x?k=ss b http://me:ss@other/y", "a wss://...@host/x?... b http://...@other/y"),
        ("amqp://me:ss@a,amqp://me:ss@b/x", "amqp://...@a,amqp://...@b/x"),
        ("me:ss@host:5432/db", "...@host:5432/db"),
        ("login me:pa/s@s@host failed", "login ...@host failed"),
        ("host=h user=me password=ss dbname=d", "host=h user=me password=... dbname=d"),
        ("password='pa \\' ss' port=1", "password=... port=1"),
        ("password=pa\\ ss port=1", "password=... port=1"),
        ("Server=h;Password=pa ss;Database=d", "Server=h;Password=...;Database=d"),
        ("Driver={x};PWD={pa;ss};Port=1", "Driver={x};PWD=...;Port=1"),
        ("{'password': 'ss', 'user': 'me'}", "{'password': ..., 'user': 'me'}"),
        ("Authorization: Bearer ss x", "Authorization: ... x"),
        ("access_token=ss and api_key=ss", "access_token=... and api_key=..."),
        ("X-Api-Key: ss", "X-Api-Key: ..."),
        ("PGPASSWORD=ss psql", "PGPASSWORD=... psql"),
    ],
)
def test_no_form_of_a_credential_is_shown(text, shown):
    assert without_logins(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://host/@scope/pkg",
        "pg://[::1]:5432/x",
        "token_count=5, tokens=3",
        "git@github.com:owner/repo",
        "nginx:1@sha256:abc",
        "the bars of 12:30 for me@host",
        "job.py:3 (a -> b)",
        "the password:\nnext",
    ],
)
def test_a_text_without_a_credential_is_shown_as_it_is(text):
    assert without_logins(text) == text


@pytest.mark.parametrize("fn", [lambda x: f"password=secret {x}", lambda x: f"me:secret@host {x}"])
def test_a_lambda_with_a_credential_is_shown_by_its_place(fn):
    assert (written(ops.map(fn)) or "").startswith("map(<lambda test_written.py:")


def test_what_is_large_is_counted():
    assert written(ops.route_by("x", tuple(f"p{i}" for i in range(1000)), default="q")) == (
        'route_by("x", (1,000 items), default="q")'
    )
    assert len(written(ops.event_time("t" * 500)) or "") < 80


def test_an_operator_of_the_users_is_shown_by_its_fields():
    from dataclasses import dataclass

    class Kernel(rxdag.Kernel):
        def on_item(self, item, emit):
            emit(item)

    @dataclass(frozen=True)
    class Scaled(rxdag.Operator):
        factor: int
        label = "scaled"

        def kernel(self):
            return Kernel()

    out = rxdag.from_source(sources.range(3)).pipe(Scaled(3)).to(sinks.null())
    assert "scaled(factor=3)" in rxdag.compile(rxdag.Dag(out)).explain()


@pytest.mark.parametrize("module", [ops, sources, sinks])
def test_no_text_has_an_address(module):
    """Of everything that can be made without arguments."""
    n = 0
    for name in module.__all__:
        try:
            made = getattr(module, name)()
        except Exception:
            continue
        text = written(made)
        assert text is None or (" at 0x" not in text and text.startswith(name))
        n += text is not None
    assert n


def test_what_runs_has_a_short_text():
    dag = rxdag.Dag(rxdag.from_source(sources.range(1000)).pipe(ops.take(10)).to(sinks.null()), name="ten")
    plan = rxdag.compile(dag)
    assert repr(plan) == "<Plan ten: 3 nodes, 1 segments, 0 gates>"
    run = rxdag.start(dag)
    result = run.wait()
    assert repr(run) == "<Run ten: completed>"
    assert repr(result) == f"<RunResult ten: completed, {result.items_in:,} in, 10 out, {result.items_in - 10:,} lost>"
    assert repr(result.stats).startswith("<RunStats: completed, 3 nodes, 0 gates, ")
