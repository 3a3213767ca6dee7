"""`rxdag record` and `rxdag replay` of a journal."""

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import rxdag
from rxdag import sources
from rxdag.journal import Kind, close_writer, open_writer

JOB = """
import msgspec
import rxdag
from rxdag import sinks, sources

class Tick(msgspec.Struct, frozen=True):
    id: int
    price: float

ticks = rxdag.from_source(sources.iterable([Tick(0, 10.0), Tick(1, 10.5)]), name="ticks")
quotes = rxdag.from_source(sources.iterable(["bid", "ask"]), name="quotes")
dag = rxdag.Dag(ticks.to(sinks.csv("ticks.csv"), name="a"), quotes.to(sinks.null(), name="b"), name="job")
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("job.py").write_text(JOB)


def rxdag_(*args, check=True):
    done = subprocess.run([sys.executable, "-m", "rxdag.cli", *args], capture_output=True, text=True, timeout=60)
    assert not check or done.returncode == 0, done.stderr
    return done


def replayed(folder, *args):
    out = rxdag_("replay", folder, "--at-once", *args).stdout
    return [json.loads(line) for line in out.splitlines()]


def test_the_named_sources_are_recorded_without_the_rest_of_the_graph(job):
    done = rxdag_("record", "job.py", "--source", "ticks", "--source", "quotes", "--to", "journal")
    assert "job.record: completed" in done.stderr
    assert not Path("ticks.csv").exists()
    assert sorted((line["source"], str(line["item"])) for line in replayed("journal")) == [
        ("quotes", "ask"),
        ("quotes", "bid"),
        ("ticks", "{'id': 0, 'price': 10.0}"),
        ("ticks", "{'id': 1, 'price': 10.5}"),
    ]
    assert [line["item"] for line in replayed("journal", "--source", "quotes")] == ["bid", "ask"]


def test_a_recording_is_continued(job):
    for _ in range(2):
        rxdag_("record", "job.py:dag", "--source", "quotes", "--to", "journal", "--quiet")
    assert [line["item"] for line in replayed("journal")] == ["bid", "ask", "bid", "ask"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--source", "tick"), '--source: must be one of the sources ticks, quotes, got "tick"; did you mean "ticks"?'),
        (("--source", "ticks", "--source", "ticks"), '--source: each source must be given once, got "ticks" twice'),
    ],
)
def test_a_wrong_source_is_refused(job, args, message):
    done = rxdag_("record", "job.py", *args, "--to", "journal", check=False)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_sigterm_ends_a_recording_with_everything_that_was_received(job):
    Path("job.py").write_text(
        textwrap.dedent("""
            import rxdag
            from rxdag import sinks, sources

            beats = rxdag.from_source(sources.interval("5ms"), name="beats")
            dag = rxdag.Dag(beats.to(sinks.null(), name="out"), name="job")
        """)
    )
    command = [sys.executable, "-m", "rxdag.cli", "record", "job.py", "--source", "beats", "--to", "journal", "--quiet"]
    with subprocess.Popen(command) as recorder:
        reader = rxdag.from_source(sources.journal_reader("journal", follow=True, source="beats"), name="beats")
        assert reader.head(20) == list(range(20))
        recorder.send_signal(signal.SIGTERM)
        assert recorder.wait() == 143
    items = [line["item"] for line in replayed("journal")]
    assert items == list(range(len(items)))


def test_the_sources_of_a_journal_are_merged_in_the_order_of_arrival_with_gaps_and_malformed_items(tmp_path):
    from rxdag.codec import Codec
    from rxdag.contract import Chunk
    from rxdag.journal import Entries

    folder, entries = str(tmp_path), Entries(Codec(), "journal")
    a, b = open_writer(folder, "d", "a", None), open_writer(folder, "d", "b", None)
    a.append("a", 10**9, [(Kind.ITEMS, 2, entries.items(Chunk([1, 2])))])
    b.append("b", 2 * 10**9, [(Kind.BAD, 1, entries.bad([(b"{", ValueError("no JSON"))]))])
    a.append("a", 3 * 10**9, [(Kind.ITEMS, 1, entries.items(Chunk([3])))])
    b.append("b", 9 * 10**9, [(Kind.GAP, 1, entries.encode([2 * 10**9, 9 * 10**9, 0]))])
    close_writer(a, "a")
    close_writer(b, "b")
    assert replayed(folder) == [
        {"source": "a", "received": "1970-01-01T00:00:01Z", "item": 1},
        {"source": "a", "received": "1970-01-01T00:00:01Z", "item": 2},
        {"source": "b", "received": "1970-01-01T00:00:02Z", "bad": "ew==", "error": "ValueError: no JSON"},
        {"source": "a", "received": "1970-01-01T00:00:03Z", "item": 3},
        {
            "source": "b",
            "received": "1970-01-01T00:00:09Z",
            "gap": {"since": "1970-01-01T00:00:02Z", "until": "1970-01-01T00:00:09Z", "unrecorded": 0},
        },
    ]


def test_a_folder_without_a_journal_and_options_that_do_not_fit_are_refused(tmp_path, job):
    assert "must be a file or the folder of a journal" in rxdag_("replay", str(tmp_path), check=False).stderr
    rxdag_("record", "job.py", "--source", "quotes", "--to", "journal")
    wrong = rxdag_("replay", "journal", "--source", "quote", check=False).stderr
    assert 'replay: --source must be one of quotes, got "quote"; did you mean "quotes"?' in wrong
    assert "must be left out for a journal" in rxdag_("replay", "journal", "--time", "t", check=False).stderr
