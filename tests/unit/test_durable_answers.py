"""Answers with durable="synced": one leaves the node once its record outlives a loss of power."""

import asyncio
import errno
import os

import pytest

import rxdag
from rxdag import checkpoints, sinks, sources, testing
from rxdag import operators as ops
from rxdag.journal import JournalWriter

KINDS = ("ordered", "unordered", "lookup")


def asking(kind, answer, folder, durable="synced"):
    if kind == "lookup":
        return ops.lookup(answer, key=lambda x: x, into=lambda x, y: y, record=folder, durable=durable)
    return ops.map_async(answer, ordered=kind == "ordered", record=folder, durable=durable)


def job(source, operator):
    asked = rxdag.from_source(source, name="ticks").pipe(operator, name="asked")
    return rxdag.Dag(asked.to(sinks.collect(), name="out"), name="job")


async def double(x):
    await asyncio.sleep(x / 1000)
    return x * 2


def synced_at(monkeypatch, clock):
    """Return a list that gets the virtual time of each sync, in ms."""
    times, sync = [], JournalWriter.sync

    def noted(writer):
        sync(writer)
        times.append(clock() // 1_000_000)

    monkeypatch.setattr(JournalWriter, "sync", noted)
    return times


@pytest.mark.parametrize("kind", KINDS)
def test_answers_that_come_close_together_leave_at_one_sync_10_ms_after_the_last_one(kind, tmp_path, monkeypatch):
    items = testing.recording([("n", 0, x) for x in (101, 103, 105, 150)] + [("c", 200)])
    run = testing.start(job(items, asking(kind, double, tmp_path)))
    syncs = synced_at(monkeypatch, lambda: run.now)
    left = []
    while not run.is_done:
        seen = len(run.seen("out"))
        run.advance("1ms")
        left += [run.now // 1_000_000] * (len(run.seen("out")) - seen)
    assert run.seen("out") == [202, 206, 210, 300]
    assert left == [101, 111, 111, 150]
    assert syncs == [0, 101, 111, 150]  # the first one when the journal is opened


def test_written_answers_leave_at_once_and_are_not_synced(tmp_path, monkeypatch):
    run = testing.start(
        job(
            testing.recording([("n", 0, 101), ("n", 0, 103), ("c", 200)]),
            asking("ordered", double, tmp_path, "written"),
        )
    )
    syncs = synced_at(monkeypatch, lambda: run.now)
    run.advance("102ms")
    assert run.seen("out") == [202]
    run.advance("1ms")
    assert run.seen("out") == [202, 206]
    assert syncs == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_relies_on_no_record_that_a_loss_of_power_could_take(kind, tmp_path, monkeypatch):
    syncs = synced_at(monkeypatch, lambda: 0)

    async def waits(x):
        await asyncio.Event().wait()

    source = sources.iterable(range(3), replay=True)
    run = rxdag.start(job(source, asking(kind, waits, tmp_path)), checkpoints=checkpoints.memory())
    run.checkpoint()
    before = len(syncs)
    run.checkpoint()
    assert len(syncs) == before + 1
    run.cancel()
    run.wait()


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_cannot_be_synced_fails_the_node(kind, tmp_path, monkeypatch):
    def broken(fd):
        raise OSError(errno.EIO, "broken")

    run = testing.start(job(testing.recording([("n", 0, 5), ("c", 20)]), asking(kind, double, tmp_path)))
    run.advance("1ms")
    monkeypatch.setattr(os, "fsync", broken)
    run.advance("10ms")
    assert str(run.finish().error) == (
        f'node "asked" failed: WriteRefused: journal: "{tmp_path}" must be on a disk that can be synced, got '
        "Input/output error; check the disk"
    )


def test_durable_needs_a_journal_and_one_of_two_words():
    for operator in (ops.map_async, lambda fn, **how: ops.lookup(fn, key="x", **how)):
        with pytest.raises(rxdag.GraphError, match=r': durable must be "written" or "synced", got \'disk\''):
            operator(double, record="j", durable="disk")
        with pytest.raises(
            rxdag.GraphError,
            match=': durable must be "written" without record=, got "synced"; name the folder of a journal',
        ):
            operator(double, durable="synced")
