"""Three workers that run the same graph, each on its share of the symbols, with metrics; together they make what one makes.

Worker i of n takes the items whose key's MurmurHash3 modulo n is i: no worker knows of the others. On a cluster each is a pod:
`rxdag run bars.yaml --shard 0/3 --metrics-port 9464`.

python examples/sharded_workers.py [trades.csv.gz]
"""

import json
import subprocess
import sys
import urllib.request

import rxdag
from rxdag import aggregates as agg
from rxdag import market, metrics, sinks, sources, windows
from rxdag import operators as ops


def bars(path: str) -> tuple[rxdag.Dag, rxdag.SinkNode[market.Bar, list[market.Bar]]]:
    """The graph, the same for every worker."""
    source = sources.csv(path, market.Trade) if path else sources.simulated_trades(seed=7, trades=20_000)
    made = (
        rxdag.from_source(source, name="trades")
        .pipe(ops.event_time("trade_ms", unit="ms", sequence="trade_id", out_of_order="250ms"))
        .pipe(ops.shard("symbol"))
        .pipe(ops.dedupe("venue", "symbol", "trade_id", within="5s"))
        .pipe(ops.key_by("venue", "symbol"))
        .pipe(ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty"), into=market.as_bar), name="bars")
    )
    out = made.to(sinks.collect(), name="out")
    return rxdag.Dag(out, name="bars"), out


def work(worker: int, workers: int, path: str) -> None:
    """Be one of them: say what was made, and where the metrics are; end when the input is closed."""
    dag, _ = bars(path)
    run = rxdag.start(dag.shard(worker, workers))
    metrics.watch(run)
    with metrics.serve(0) as server:
        made = run.wait()["out"]
        rows = [[bar.venue, bar.symbol, bar.start, bar.open, bar.close, bar.count] for bar in made]
        print(json.dumps({"port": server.port, "bars": rows}), flush=True)
        sys.stdin.read()


def main(path: str, workers: int = 3) -> None:
    """Start them, and compare with one that does it all."""
    command = [sys.executable, __file__, path]
    started = [
        subprocess.Popen([*command, str(i), str(workers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for i in range(workers)
    ]
    shares: list[list[list[object]]] = []
    for i, process in enumerate(started):
        assert process.stdout is not None
        assert process.stdin is not None
        said = json.loads(process.stdout.readline())
        shares.append(said["bars"])
        text = urllib.request.urlopen(f"http://127.0.0.1:{said['port']}/metrics").read().decode()
        name = 'rxdag_node_delivered_items_total{dag="bars",node="out"} '
        delivered = next(line for line in text.splitlines() if line.startswith(name)).removeprefix(name)
        print(f"worker {i}: {len(said['bars']):,} bars, {float(delivered):,.0f} by its metrics")
        process.stdin.close()
        process.wait()
        process.stdout.close()
    dag, out = bars(path)
    alone = [[bar.venue, bar.symbol, bar.start, bar.open, bar.close, bar.count] for bar in rxdag.run(dag)[out]]
    together = [bar for share in shares for bar in share]
    print(f"one worker: {len(alone):,} bars; the same as all shares together: {sorted(alone) == sorted(together)}")


if __name__ == "__main__":
    if len(sys.argv) > 3:
        work(int(sys.argv[2]), int(sys.argv[3]), sys.argv[1])
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else "")
