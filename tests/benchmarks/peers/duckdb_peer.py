"""duckdb: each workload as a query over an Arrow table, on one thread; runs in an environment that has duckdb."""

import duckdb
import pyarrow as pa

from tests.benchmarks import loops, more_loops
from tests.benchmarks.data import ints, repeated, ticks
from tests.benchmarks.file_loops import Files, bars_in, csv_loop, parquet_loop
from tests.benchmarks.peers.running import Entry, by_start, rounded, tell
from tests.benchmarks.table import table_of

SHARE = 0.2

LINE = duckdb.connect(config={"threads": 1})  # CPU time is counted: more threads only add to it


def over(query):
    """Return what runs a query over the table `given`."""

    def run(given):
        LINE.register("given", given)
        try:
            return LINE.execute(query).fetchall()
        finally:
            LINE.unregister("given")

    return run


def numbers(rows):
    return pa.table({"x": pa.array(rows, pa.int64())})


W1 = "select sum(y + 1) from (select x * 2 as y from given) where y % 3 = 0"


def bars_of(table):
    return f"""
select sym, ts // {loops.SIZE_US} * {loops.SIZE_US} as start, arg_min(price, ts) as open, max(price) as high,
       min(price) as low, arg_max(price, ts) as close, sum(size) as volume
from {table} group by all order by start, sym
"""


W2 = bars_of("given")
W3 = f"""
select count(*) filter (branch = 0), count(*) filter (branch = 1), count(*) filter (branch = 2),
       sum(value) filter (branch = 0), sum(value) filter (branch = 1), sum(value) filter (branch = 2)
from (
    select case when sym < 'S33' then 0 when sym < 'S66' then 1 else 2 end as branch,
           case when sym < 'S33' then price * size when sym < 'S66' then price else size end as value, size
    from (select *, lag(ts) over (partition by tid order by ts) as seen from given)
    where seen is null or ts - seen >= {loops.WITHIN_US}
)
where branch <> 1 or size > 2
"""
W7 = f"""
select sym, min(ts), max(ts), count(*) from (
    select sym, ts, sum(is_new) over (partition by sym order by ts rows unbounded preceding) as session from (
        select sym, ts, (coalesce(ts - lag(ts) over (partition by sym order by ts), 0) > {more_loops.GAP_US})::int as is_new
        from given
    )
) group by sym, session
"""
W8 = f"""
select sym, slice - i * {more_loops.SLIDE_US} as start, sum(size) from (
    select sym, ts // {more_loops.SLIDE_US} * {more_loops.SLIDE_US} as slice, sum(size) as size from given group by all
), range(10) as windows(i) group by all
"""


def to_file(source, target):
    """Return what makes W2's bars of a file, and writes another."""

    def run(given):
        LINE.execute(f"copy ({bars_of(repr(str(given.at(source))))}) to '{given.at(target)}'")
        return given.at(target)

    return run


ENTRIES = (
    Entry("W1 duckdb, the whole set at once", ints, loops.w1_loop, over(W1), numbers, lambda out: out[0][0]),
    Entry("W2 duckdb, the whole set at once", ticks, loops.w2_loop, over(W2), table_of, by_start),
    Entry(
        "W3 duckdb, the whole set at once",
        repeated,
        loops.w3_loop,
        over(W3),
        table_of,
        lambda out: rounded(out[0]),
        rounded,
    ),
    Entry("W7 duckdb, the whole set at once", ticks, more_loops.w7_loop, over(W7), table_of, sorted, sorted, SHARE),
    Entry("W8 duckdb, the whole set at once", ticks, more_loops.w8_loop, over(W8), table_of, sorted, sorted, SHARE),
    Entry(
        "W11 duckdb, CSV.gz to CSV",
        lambda n: Files(ticks(n)),
        csv_loop,
        to_file("ticks.csv.gz", "duckdb.csv"),
        answer=bars_in,
        expected=bars_in,
    ),
    Entry(
        "W11 duckdb, Parquet to Parquet",
        lambda n: Files(ticks(n)),
        parquet_loop,
        to_file("ticks.parquet", "duckdb.parquet"),
        answer=bars_in,
        expected=bars_in,
    ),
)

if __name__ == "__main__":
    tell(ENTRIES)
