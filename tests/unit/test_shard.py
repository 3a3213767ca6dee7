"""The share of a worker: on columns, whole runs are split by the codes of their keys."""

import pytest

import rxdag
from rxdag import on_error, sinks, sources
from rxdag import operators as ops
from rxdag.operators.routing import _shard

KEYS = {
    "texts": ["a", "b", None, "c", "a", "b", "d"],
    "whole numbers": [1, 2, 3, 4, 5, 1, -7],
    "floats": [1.0, 2.5, 3.0, -0.0, 0.0, 1e300, 7.5],
    "flags": [True, False, True, True, False, False, True],
    "a mixture": [1, 1.0, "1", None, True, 2.5, "x"],
}


def sharded(key, columns, workers=3):
    stream = rxdag.from_source(sources.arrays({"k": KEYS[key], "n": list(range(7))}))
    dag = rxdag.Dag(stream.pipe(ops.shard("k"), name="share").to(sinks.collect(), name="out"))
    plans = [rxdag.compile(dag.shard(worker, workers), columns=columns) for worker in range(workers)]
    return [[row["n"] for row in rxdag.run(plan)["out"]] for plan in plans], plans[0].explain()


@pytest.mark.parametrize("key", KEYS)
def test_each_item_is_in_the_share_of_one_worker_the_same_in_rows_and_columns(key):
    shares, explained = sharded(key, columns=True)
    assert sorted(n for share in shares for n in share) == list(range(7))
    assert shares == sharded(key, columns=False)[0]
    (line,) = [line for line in explained.splitlines() if "share: shard" in line]
    assert line.endswith("[columns]")


def test_on_columns_each_name_is_hashed_once_and_others_are_counted_as_filtered(monkeypatch):
    hashed = []
    monkeypatch.setitem(_shard.HASHES, "murmur3_32", lambda key: hashed.append(key) or len(str(key)))
    names = ["a", "bb"] * 50_000
    stream = rxdag.from_source(sources.arrays({"k": names})).pipe(ops.shard("k"), name="share")
    result = rxdag.run(rxdag.Dag(stream.to(sinks.null())).shard(0, 2))
    assert hashed == ["a", "bb", None]
    books = result.stats.nodes["share"]
    assert (books.passed, books.filtered) == (50_000, 50_000)


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("hash_fn", ["murmur3_32", "murmur3_64"])
@pytest.mark.parametrize("keys", [["a", "\ud800", "b"], ["a", "\ud800", 1]], ids=["texts", "a mixture"])
def test_a_key_that_utf_8_lacks_fails_its_item_alone(columns, hash_fn, keys):
    stream = rxdag.from_source(sources.arrays({"k": keys, "n": [0, 1, 2]}))
    share = stream.pipe(ops.shard("k", hash_fn=hash_fn), name="share", on_error=on_error.skip)
    result = rxdag.run(rxdag.compile(rxdag.Dag(share.to(sinks.collect(), name="out")), columns=columns))
    assert [row["n"] for row in result["out"]] == [0, 2]
    assert result.stats.nodes["share"].dropped == {"skipped": 1}
