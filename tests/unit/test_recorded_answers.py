"""Answers of calls that are recorded: a replay takes them from the journal, and gives what the recorded run gave."""

import asyncio
import contextlib
import json
import logging
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rxdag
from rxdag import checkpoints, on_error, sinks, sources, testing
from rxdag import operators as ops
from rxdag.cli import main
from rxdag.cli._load import Loaded
from rxdag.cli._shadow import shadowed
from rxdag.errors import NodeError, SourceError
from rxdag.journal import JournalWriter, Kind, WriteRefused, close_writer, open_writer

RETRY = on_error.retry(2, base="1ms", then=on_error.dead)


class Outside:
    """A service whose answers are never the same again: some come late, some are failures."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.calls = []

    async def answer(self, asked):
        self.calls.append(asked)
        await asyncio.sleep(self.random.random() * 0.01)
        if self.random.random() < 0.2:
            raise ValueError(f"no answer for {asked}")
        return {"asked": asked, "value": self.random.random()}


def ticks(seed, n=40):
    """Yield items at random times."""
    rng = random.Random(seed)
    moments, at = [], 0
    for i in range(n):
        at += rng.choice([0, 0, 1, 2, 9])
        moments.append(("n", at, i))
    return testing.recording([*moments, ("c", at + 1)])


def asking(kind, outside, folder):
    if kind == "lookup":
        key = lambda x: x * x % 11  # noqa: E731
        return ops.lookup(outside.answer, key=key, timeout="8ms", ttl="20ms", max_keys=3, concurrency=4, record=folder)
    ordered = kind == "ordered"
    return ops.map_async(outside.answer, ordered=ordered, timeout="8ms", concurrency=4, record=folder)


def job(source, operator, policy=RETRY):
    asked = rxdag.from_source(source, name="ticks").pipe(operator, name="asked", on_error=policy)
    return rxdag.Dag(asked.to(sinks.collect(), name="out"), asked.dead.to(sinks.collect(), name="dead"), name="job")


def given_by(result):
    """Return what a run has given, with all that can be seen of a failure."""
    letters = [
        (repr(each.error), type(each.error), each.item, each.attempts, each.traceback) for each in result["dead"]
    ]
    return result["out"], letters


def recorded(folder, operator, source=None, policy=RETRY):
    """Run a job in virtual time, with a journal in front of its source."""
    return testing.run(job(sources.journal(source or ticks(0), folder), operator, policy))


@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["ordered", "unordered", "lookup"]), one_folder=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_replay_gives_what_the_recorded_run_gave_and_calls_nothing(seed, kind, one_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    live, later = Outside(seed), Outside(seed + 1)
    answers = folder if one_folder else folder / "answers"
    dag = job(sources.journal(ticks(seed), folder), asking(kind, live, answers))
    was = testing.run(dag, seed=seed)
    again = job(ticks(seed), asking(kind, later, answers))
    reader = {"ticks": sources.journal_reader(folder)}
    assert len(was["out"]) + len(was["dead"]) == 40
    assert given_by(testing.run(again, replace=reader, seed=seed + 1)) == given_by(was)
    assert given_by(rxdag.run(job(reader["ticks"], asking(kind, later, answers)))) == given_by(was)
    assert later.calls == []


def test_a_replay_gives_answers_at_the_times_at_which_they_came(tmp_path):
    def seen_at(source):
        outside = Outside(1)
        asked = rxdag.from_source(source, name="ticks").pipe(asking("unordered", outside, tmp_path), on_error="skip")
        run = testing.start(asked.to(sinks.collect(), name="out"))
        times = []
        while not run.is_done:
            n = len(run.seen("out"))
            run.advance("1ms")
            times += [run.now // 10**6] * (len(run.seen("out")) - n)
        return times

    was = seen_at(sources.journal(ticks(3), tmp_path))
    assert len(was) > 20
    assert seen_at(sources.journal_reader(tmp_path)) == was


@pytest.mark.parametrize("kind", ["ordered", "unordered", "lookup"])
def test_a_replay_of_a_run_that_failed_fails_with_the_same_error(kind, tmp_path):
    with pytest.raises(NodeError) as was:
        testing.run_virtual(job(sources.journal(ticks(0), tmp_path), asking(kind, Outside(5), tmp_path), "raise"))
    with pytest.raises(NodeError) as again:
        testing.run_virtual(job(sources.journal_reader(tmp_path), asking(kind, Outside(6), tmp_path), "raise"))
    assert str(again.value) == str(was.value)
    assert type(again.value.__cause__) is type(was.value.__cause__)


def test_a_failed_call_is_made_again_by_the_run_that_continues(tmp_path):
    calls = []

    async def down_once(x):
        calls.append(x)
        if x == 7 and calls.count(7) == 1:
            raise ConnectionError("down")
        return x * 2

    def run(source):
        operator = ops.map_async(down_once, concurrency=1, record=tmp_path / "j")
        live = rxdag.from_source(source, name="ticks").pipe(operator, name="asked")
        return rxdag.Dag(live.to(sinks.collect(), name="out"), name="job")

    def life():
        return rxdag.run(
            run(sources.journal(sources.iterable(range(10), replay=True), tmp_path / "j")), checkpoints=tmp_path / "s"
        )

    with pytest.raises(NodeError, match="down"):
        life()
    life()
    assert calls == [0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9]
    assert testing.run(run(sources.journal_reader(tmp_path / "j", source="ticks")))["out"] == [2 * x for x in range(10)]
    assert len(calls) == 11


def test_two_runs_on_one_folder_are_replayed_as_one(tmp_path):
    one, two = Outside(1), Outside(2)
    first = recorded(tmp_path, asking("lookup", one, tmp_path))
    second = recorded(
        tmp_path, asking("lookup", two, tmp_path), testing.recording([("n", 900, 3), ("n", 905, 3), ("c", 910)])
    )
    again = testing.run(job(sources.journal_reader(tmp_path), asking("lookup", Outside(3), tmp_path)))
    assert again["out"] == first["out"] + second["out"]
    assert len(again["out"]) + len(again["dead"]) == 42


def test_a_replay_without_a_recorded_answer_fails_and_names_node_item_and_folder(tmp_path):
    async def slow(x):
        await asyncio.sleep(1 if x == 3 else 0.001)
        return x

    operator = ops.map_async(slow, record=tmp_path)
    run = testing.start(job(sources.journal(ticks(0, n=6), tmp_path), operator))
    run.advance("100ms")
    run.cancel()
    run.finish()
    with pytest.raises(NodeError) as failed:
        testing.run_virtual(job(sources.journal_reader(tmp_path), operator))
    assert str(failed.value) == (
        f'node "asked" failed: SourceError: journal: "{tmp_path}" must have the answer of node "asked" for item 3, 3, got '
        "none; replay the run that was recorded, with the same nodes before this one, or leave out record= to make the "
        "calls again"
    )


@pytest.mark.parametrize("kind", ["ordered", "lookup"])
def test_a_replay_of_other_items_fails_and_names_the_item(kind, tmp_path):
    recorded(tmp_path / "a", asking(kind, Outside(1), tmp_path / "a"))
    recorded(tmp_path / "b", asking(kind, Outside(1), tmp_path / "b"), testing.recording([("n", 0, 98), ("c", 1)]))
    with pytest.raises(NodeError, match='answer of node "asked" for item 0, (98|1), got') as failed:
        testing.run_virtual(job(sources.journal_reader(tmp_path / "b"), asking(kind, Outside(1), tmp_path / "a")))
    assert isinstance(failed.value.__cause__, SourceError)


def test_a_replay_without_any_answers_fails_at_the_start(tmp_path):
    recorded(tmp_path, ops.map_async(Outside(1).answer))
    with pytest.raises(NodeError, match=r'must have the answers of node "asked", got none; copy the journal'):
        testing.run_virtual(job(sources.journal_reader(tmp_path), ops.map_async(Outside(1).answer, record=tmp_path)))


def test_an_answer_that_cannot_be_saved_fails_the_run(tmp_path):
    async def lock(x):
        return threading.Lock()

    with pytest.raises(NodeError, match=r'journal ".*": answer of node "asked".*lock'):
        testing.run_virtual(job(sources.journal(ticks(0), tmp_path), ops.map_async(lock, record=tmp_path)))


def test_a_replay_does_not_enter_the_resource(tmp_path):
    entered = []

    @contextlib.asynccontextmanager
    async def pool():
        entered.append("pool")
        yield 10

    async def times(pool, x):
        return pool * x

    operator = ops.map_async(times, resource=pool, record=tmp_path)
    was = recorded(tmp_path, operator)
    again = testing.run(job(sources.journal_reader(tmp_path), operator))
    assert again["out"] == was["out"] == [10 * x for x in range(40)]
    assert entered == ["pool"]


def test_a_replay_that_is_stopped_early_gives_the_answers_of_the_items_so_far(tmp_path):
    operator = asking("unordered", Outside(1), tmp_path)
    was = recorded(tmp_path, operator)
    again = testing.run(job(sources.journal_reader(tmp_path), operator), until="30ms")
    assert 0 < len(again["out"]) < len(was["out"])
    assert again.error is None
    assert again["out"] == was["out"][: len(again["out"])]


def test_the_retention_of_the_source_deletes_answers_too(tmp_path):
    kept = sources.Retention(max_bytes=1 << 20)

    async def long(x):
        return bytes(100_000)

    live = sources.journal(ticks(0), tmp_path, retention=kept)
    testing.run(job(live, ops.map_async(long, record=tmp_path)))
    assert sum(path.stat().st_size for path in tmp_path.glob("*.journal")) < 1_500_000
    with pytest.raises(
        NodeError, match=r'answers of node "asked" from item 0 on, got those from item \d+ on; its retention'
    ):
        testing.run_virtual(job(sources.journal_reader(tmp_path), ops.map_async(long, record=tmp_path)))


def test_a_full_disk_fails_the_run_and_no_item(tmp_path, monkeypatch):
    append = JournalWriter.append

    def full(writer, source, now, parts):
        if parts[0][0] in (Kind.ASKED, Kind.ANSWER):
            raise WriteRefused("no space")
        return append(writer, source, now, parts)

    monkeypatch.setattr(JournalWriter, "append", full)
    for kind in ("ordered", "lookup"):
        with pytest.raises(NodeError, match='node "asked" failed: WriteRefused: no space'):
            testing.run_virtual(job(sources.journal(ticks(0), tmp_path), asking(kind, Outside(1), tmp_path)))


def test_a_failure_that_cannot_be_recorded_fails_the_run_and_no_item(tmp_path, monkeypatch):
    async def fails(x):
        raise ValueError(x)

    append = JournalWriter.append

    def full(writer, source, now, parts):
        if parts[0][0] is Kind.ANSWER:
            raise WriteRefused("no space")
        return append(writer, source, now, parts)

    monkeypatch.setattr(JournalWriter, "append", full)
    run = job(sources.journal(ticks(0), tmp_path), ops.map_async(fails, record=tmp_path), "skip")
    with pytest.raises(NodeError, match='node "asked" failed: WriteRefused: no space'):
        testing.run_virtual(run)


@pytest.mark.parametrize("live", [False, True])
def test_a_damaged_journal_fails_the_node_and_names_the_file(live, tmp_path):
    operator = asking("ordered", Outside(1), tmp_path / "a")
    recorded(tmp_path / "a", operator)
    recorded(tmp_path / "t", ops.map_async(Outside(1).answer))
    (segment,) = (tmp_path / "a").glob("*.journal")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    reader = job(sources.journal_reader(tmp_path / "t"), operator)
    again = job(sources.iterable(range(40), replay=True), operator)
    with pytest.raises(NodeError, match=r'node "asked" failed: SourceError: journal: ".*\.journal" must be undamaged'):
        rxdag.run(again, checkpoints=checkpoints.memory()) if live else testing.run_virtual(reader)


def test_a_replay_that_asks_again_is_logged_and_explained(tmp_path, caplog):
    operator = ops.map_async(Outside(1).answer)
    recorded(tmp_path, operator)
    replay = job(sources.journal_reader(tmp_path), operator)
    with caplog.at_level(logging.WARNING, "rxdag"):
        testing.run(replay)
    assert [record.getMessage() for record in caplog.records if "replay.asks" in record.getMessage()] == [
        "replay.asks dag=job node=asked: the sources are recordings, but the node makes its calls again; their answers "
        "can be others"
    ]
    assert "asks again in this replay; record= keeps the answers" in rxdag.compile(replay).explain()
    live = job(ticks(0), ops.map_async(Outside(1).answer, record="j"))
    assert 'answers are recorded in "j"' in rxdag.compile(live).explain()
    both = job(sources.journal_reader(tmp_path), ops.map_async(Outside(1).answer, record="j"))
    assert 'answers come from "j"' in rxdag.compile(both).explain()


def test_the_command_line_prints_answers_in_order_of_arrival(tmp_path, capsys):
    async def half(x):
        if x == 1:
            raise ValueError("odd")
        return x // 2

    recorded(
        tmp_path, ops.map_async(half, record=tmp_path), testing.recording([("n", 0, 2), ("n", 5, 1), ("c", 9)]), "skip"
    )
    with pytest.raises(SystemExit, match="0"):
        main(["replay", str(tmp_path), "--at-once"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [{k: v for k, v in line.items() if k != "received"} for line in lines] == [
        {"source": "ticks", "item": 2},
        {"source": "asked", "item": 2, "answer": 1},
        {"source": "ticks", "item": 1},
        {"source": "asked", "item": 1, "error": "ValueError: odd"},
    ]


@pytest.mark.parametrize("is_recorded", [True, False])
@pytest.mark.parametrize("kind", ["map_async", "lookup"])
def test_a_failure_that_waits_for_its_turn_is_not_asked_for_again_after_a_restart(kind, is_recorded, tmp_path):
    calls, record = [], tmp_path / "j" if is_recorded else None

    def life(*, ends):
        has_failed = threading.Event()

        async def answer(x):
            calls.append(x)
            if x == 1:
                asyncio.get_running_loop().call_later(0.01, has_failed.set)  # once the node has taken the failure
                raise ValueError("no answer")
            if x == 0 and not ends:
                await asyncio.Event().wait()
            return x

        asking = (
            ops.map_async(answer, record=record)
            if kind == "map_async"
            else ops.lookup(answer, key=lambda x: x, into=lambda x, value: value, record=record)
        )
        asked = rxdag.from_source(sources.iterable([0, 1, 2], replay=True), name="ticks").pipe(
            asking, name="asked", on_error="dead"
        )
        out, dead = asked.to(sinks.collect(), name="out"), asked.dead.to(sinks.collect(), name="dead")
        run = rxdag.start(rxdag.Dag(out, dead, name="job"), checkpoints=tmp_path / "s")
        if not ends:
            assert has_failed.wait(30)
            run.checkpoint()
            run.cancel()
        return run.wait()

    life(ends=False)
    result = life(ends=True)
    assert result["out"] == [0, 2]
    assert [(each.item, repr(each.error), each.attempts) for each in result["dead"]] == [
        (1, "ValueError('no answer')", 1)
    ]
    assert calls.count(1) == 1


def test_a_run_with_a_checkpoint_continues_when_its_answers_are_recorded_only_now(tmp_path):
    def life(record, *items, ends):
        feed, is_asked = sources.ingress(), threading.Event()

        async def double(x):
            if x == items[-1]:
                is_asked.set()
            return x * 2

        for item in items:
            feed.push(item)
        ticks = rxdag.from_source(sources.journal(feed, tmp_path / "j"), name="ticks")
        asked = ticks.pipe(ops.map_async(double, record=record), name="asked")
        run = rxdag.start(rxdag.Dag(asked.to(sinks.collect(), name="out"), name="job"), checkpoints=tmp_path / "s")
        assert is_asked.wait(30)
        (feed.complete if ends else run.drain)()
        return run.wait()

    life(None, 1, 2, ends=False)
    life(tmp_path / "j", 3, ends=False)
    assert life(tmp_path / "j", 4, ends=True)["out"] == [2, 4, 6, 8]


def test_a_shadow_run_makes_the_calls_and_records_nothing(tmp_path):
    feed, calls = sources.ingress(), []

    async def answer(x):
        calls.append(x)
        return x * 2

    live = sources.journal(feed, tmp_path / "j")
    asked = rxdag.from_source(live, name="ticks").pipe(ops.map_async(answer, record=tmp_path / "j"), name="asked")
    dag = rxdag.Dag(asked.to(sinks.jsonl(tmp_path / "out.jsonl"), name="out"), name="job")
    run = rxdag.start(dag, checkpoints=tmp_path / "s")
    run.checkpoint()
    loaded, shadow = shadowed(Loaded(dag, {}), tmp_path / "s", tmp_path / "shadow")
    beside = rxdag.start(loaded.dag, checkpoints=shadow)
    feed.push(1)
    feed.push(2)
    feed.complete()
    run.wait()
    beside.wait()
    assert (tmp_path / "shadow/out.jsonl").read_bytes() == (tmp_path / "out.jsonl").read_bytes()
    assert sorted(calls) == [1, 1, 2, 2]
    reader = sources.journal_reader(tmp_path / "j")
    assert testing.run(dag, replace={"ticks": reader, "out": sinks.collect()})["out"] == [2, 4]


def test_answers_do_not_keep_what_the_sources_have_confirmed(tmp_path):
    kept = sources.Retention(max_bytes=1 << 20, until_checkpointed=True)
    node = open_writer(str(tmp_path), "job", "asked", None, is_node=True)
    source = open_writer(str(tmp_path), "job", "ticks", kept)
    assert source is node
    for i in range(4):
        source.append("ticks", i, [(Kind.ITEMS, 1, bytes(100_000))])
        node.append("asked", i, [(Kind.ANSWER, 1, bytes(100_000))])
    assert len(list(tmp_path.glob("*.journal"))) > 2
    source.confirm("ticks", source.arrival)
    assert len(list(tmp_path.glob("*.journal"))) == 1
    close_writer(node, "asked")
    close_writer(source, "ticks")


def test_record_must_name_a_folder():
    with pytest.raises(rxdag.GraphError, match="map_async: record must be the folder of a journal, got True"):
        ops.map_async(Outside(1).answer, record=True)
