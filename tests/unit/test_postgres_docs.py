"""The job of the how-to about PostgreSQL, and specs with both ends."""

import re
from pathlib import Path

import pytest
from tests.postgres import ask

import rxdag
from rxdag.spec import dump_spec, load_spec

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "postgresql.md").read_text()

SPEC = """
version: 1
name: copy
nodes:
  rows: {source: postgres, dsn: "${DATABASE}", table_or_query: trades, of: {id: int, price: float}, order: [created, id], settle: 1ms}
  out: {sink: postgres, input: rows, dsn: "${DATABASE}", table: copies, upsert: id, patience: 10s}
"""


@pytest.fixture
def trades(dsn, monkeypatch):
    monkeypatch.setenv("DATABASE", dsn)
    ask(dsn, re.search(r"```sql\n(.*?)```", PAGE, re.S)[1])
    ask(
        dsn,
        "insert into trades (created, ts_ms, symbol, price, qty) select now() - interval '1 minute', 1000 + 250 * n, 'A', 10 + n % 3, 1 from generate_series(0, 19) n",
    )
    return dsn


def test_the_job_of_the_page_runs(trades, tmp_path):
    names = {}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.S)[1], names)
    result = rxdag.run(names["job"](), checkpoints=tmp_path / "bars.state", require="exactly")
    assert result["table"] == 5
    assert ask(trades, "select symbol, open, close, volume from bars order by start") == [
        ("A", 10.0, 10.0, 4.0),
        ("A", 11.0, 11.0, 4.0),
        ("A", 12.0, 12.0, 4.0),
        ("A", 10.0, 10.0, 4.0),
        ("A", 11.0, 11.0, 4.0),
    ]


def test_a_spec_says_both_ends(trades):
    dag = load_spec(text=SPEC)
    assert rxdag.run(dag)["out"] == 20
    assert ask(trades, "select count(*), sum(price) from copies") == [(20, 219.0)]


def test_a_spec_is_written_without_a_password(monkeypatch):
    monkeypatch.setenv("DATABASE", "postgresql://me:s3cret@db/market")
    dag = load_spec(text=SPEC)
    with pytest.raises(rxdag.SpecError) as raised:
        dump_spec(dag)
    assert "nodes.out: cannot be written in a spec: dsn: it holds a login; pass a function that returns it" in str(
        raised.value
    )
    assert "s3cret" not in str(raised.value)
    monkeypatch.setenv("DATABASE", "host=db dbname=market")
    assert "dsn: host=db dbname=market" in dump_spec(load_spec(text=SPEC))


def test_an_address_that_is_no_text_is_refused_without_its_value(monkeypatch):
    monkeypatch.setenv("DATABASE", "dbname=x")
    with pytest.raises(
        rxdag.SpecError, match=r"must be the address of a database as a text, such as \$\{DATABASE\}"
    ) as raised:
        load_spec(text=SPEC.replace('dsn: "${DATABASE}", table:', "dsn: [s3cret], table:"))
    assert "s3cret" not in str(raised.value)
