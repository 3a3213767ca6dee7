"""The format of journals: nothing that was written is lost or changed in silence."""

import os
import shutil
import subprocess
import sys
import textwrap
from contextlib import closing

import pytest

from rxdag import GraphError, SourceError
from rxdag.codec import Codec
from rxdag.contract import Chunk
from rxdag.journal import (
    Cursor,
    Entries,
    Kind,
    Retention,
    WriteRefused,
    close_writer,
    open_writer,
    tail_of,
)

ENTRIES = Entries(Codec(), "journal")


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "journal")


def write(folder, *parts, source="ticks", retention=None, now=1_000):
    """Append each part, a payload or (kind, n, payload), in a write of its own."""
    writer = open_writer(folder, "test", source, retention)
    try:
        for part in parts:
            writer.append(source, now, [part if isinstance(part, tuple) else (Kind.ITEMS, 1, part)])
    finally:
        close_writer(writer, source)


def read(folder, arrival=None):
    """The records of the sources: those of all segments behind an arrival number."""
    with closing(Cursor(folder, arrival)) as cursor:
        return rest(cursor)


def rest(cursor):
    found = []
    while (record := cursor.next()) is not None:
        if record.kind is not Kind.SOURCES:
            found.append(record)
    return found


def last_segment(folder):
    return os.path.join(folder, max(name for name in os.listdir(folder) if name.endswith(".journal")))


def test_records_come_back_with_their_number_time_source_kind_and_payload(folder):
    write(folder, (Kind.ITEMS, 3, b"abc"), now=5_000)
    write(folder, (Kind.BAD, 1, b""), source="quotes", now=6_000)
    assert [(r.arrival, r.n, r.at, r.source, r.kind, r.payload) for r in read(folder)] == [
        (1, 3, 5_000, "ticks", Kind.ITEMS, b"abc"),
        (4, 1, 6_000, "quotes", Kind.BAD, b""),
    ]


def test_a_chunk_keeps_the_times_sequences_keys_and_watermarks_of_its_items():
    chunk = Chunk([{"a": 1}, ("b", 2)], [10, 20], [7, 8], ["x", "y"], ((1, 5), (2, 15)))
    assert ENTRIES.chunk(ENTRIES.items(chunk)) == chunk


def test_malformed_items_come_back_with_the_class_and_text_of_their_errors():
    rows = ENTRIES.bad_rows(ENTRIES.bad([(b"{", ValueError("no JSON")), (print, KeyError("a"))]))
    assert [(item, str(error)) for item, error in rows] == [
        (b"{", "ValueError: no JSON"),
        ("<built-in function print>", "KeyError: 'a'"),
    ]


def test_receipt_times_never_go_back_though_the_clock_does(folder):
    write(folder, b"a", now=9_000)
    write(folder, b"b", now=3_000)
    assert [r.at for r in read(folder)] == [9_000, 9_001]


def test_arrival_numbers_go_over_the_sources_of_a_process_that_share_a_folder(folder):
    first, second = open_writer(folder, "dag", "a", None), open_writer(folder, "dag", "b", None)
    first.append("a", 1, [(Kind.ITEMS, 2, b"")])
    second.append("b", 2, [(Kind.ITEMS, 1, b"")])
    close_writer(first, "a")
    second.append("a", 3, [(Kind.ITEMS, 1, b"")])
    close_writer(second, "b")
    assert [(r.source, r.arrival) for r in read(folder)] == [("a", 1), ("b", 3), ("a", 4)]


def test_a_second_process_that_writes_is_refused_and_told_by_whom(folder):
    writer = open_writer(folder, "bars", "ticks", None)
    code = f"from rxdag.journal import open_writer; open_writer({folder!r}, 'other', 'ticks', None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    close_writer(writer, "ticks")
    assert done.returncode == 1
    assert f'must be used by one run at a time, got dag "bars" in process {os.getpid()}' in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be deleted")
def test_a_writer_writes_nothing_behind_records_of_another_one_whose_lock_was_deleted(folder):
    writer = open_writer(folder, "bars", "ticks", None)
    writer.append("ticks", 1, [(Kind.ITEMS, 1, b"first")])
    own = os.path.getsize(last_segment(folder))
    os.unlink(os.path.join(folder, "writer-lock"))
    code = "\n".join(
        [
            "from rxdag.journal import Kind, open_writer",
            f"writer = open_writer({folder!r}, 'other', 'ticks', None)",
            "writer.append('ticks', 2, [(Kind.ITEMS, 1, b'second')])",
        ]
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(SourceError) as caught:
        writer.append("ticks", 3, [(Kind.ITEMS, 1, b"third")])
    close_writer(writer, "ticks")
    path = last_segment(folder)
    assert str(caught.value) == (
        f'journal: "{path}" must be written by one process, got {os.path.getsize(path):,} bytes, of which this one knows '
        f"{own:,}; stop this run, and leave the lock file of a process that is alive"
    )
    assert [record.payload for record in read(folder)] == [b"first", b"second"]


def test_sources_that_share_a_folder_must_have_one_retention(folder):
    writer = open_writer(folder, "bars", "ticks", None)
    with pytest.raises(SourceError, match="must have the same retention"):
        open_writer(folder, "bars", "quotes", Retention(max_age="1d"))
    close_writer(writer, "ticks")


def test_a_source_is_recorded_once_in_a_folder(folder):
    writer = open_writer(folder, "bars", "ticks", None)
    with pytest.raises(SourceError, match='must be recorded once in ".*", got "ticks" twice'):
        open_writer(folder, "bars", "ticks", None)
    close_writer(writer, "ticks")


@pytest.mark.parametrize("keep", [1, 11, 12, 13, 30])
def test_a_torn_tail_is_cut_off_and_writing_goes_on_behind_the_last_whole_record(folder, keep):
    write(folder, b"first")
    size = os.path.getsize(last_segment(folder))
    write(folder, b"second")
    os.truncate(last_segment(folder), size + keep)
    assert [r.payload for r in read(folder)] == [b"first"]
    writer = open_writer(folder, "test", "ticks", None)
    assert writer.torn == keep
    close_writer(writer, "ticks")
    write(folder, b"third")
    assert [(r.arrival, r.payload) for r in read(folder)] == [(1, b"first"), (2, b"third")]


def test_a_tail_of_zeros_is_cut_off(folder):
    write(folder, b"first")
    with open(last_segment(folder), "ab") as file:
        file.write(bytes(500))
    write(folder, b"second")
    assert [r.payload for r in read(folder)] == [b"first", b"second"]


def test_damage_in_the_middle_is_an_error_that_names_file_and_byte_whichever_byte_is_damaged(folder):
    write(folder, b"first")
    begin = os.path.getsize(last_segment(folder))
    write(folder, b"second", b"third")
    path = last_segment(folder)
    with open(path, "rb") as file:
        whole = file.read()
    end = whole.index(b"second") + len(b"second")
    for at in range(begin, end):
        with open(path, "wb") as file:
            file.write(whole[:at] + bytes((whole[at] ^ 0x10,)) + whole[at + 1 :])
        expected = f'journal: "{path}" must be undamaged, got damage at byte {begin}; restore the file'
        with pytest.raises(SourceError) as read_error:
            read(folder)
        with pytest.raises(SourceError) as open_error:
            open_writer(folder, "test", "ticks", None)
        assert str(read_error.value).startswith(expected), at
        assert str(open_error.value).startswith(expected), at


def test_a_lost_segment_is_an_error(folder):
    write_segments(folder, 4)
    names = sorted(name for name in os.listdir(folder) if name.endswith(".journal"))
    assert len(names) == 4
    os.remove(os.path.join(folder, names[1]))
    with pytest.raises(SourceError, match="its retention has deleted records that were not read yet"):
        read(folder)


def write_segments(folder, n):
    """Write n segments of one record each; a segment is full at 131,072 bytes."""
    for _ in range(n):
        write(folder, bytes(140_000), retention=Retention(max_bytes=1 << 20))


def test_segments_are_deleted_once_the_journal_is_larger_than_max_bytes(folder):
    write_segments(folder, 20)
    sizes = [os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder) if name.endswith(".journal")]
    assert 1 << 19 < sum(sizes) < (1 << 20) + 150_000
    assert read(folder)[0].arrival > 0


def test_segments_are_deleted_once_they_are_older_than_max_age(folder):
    second = 10**9
    writer = open_writer(folder, "test", "ticks", Retention(max_age="80s"))
    for at in range(0, 400, 5):
        writer.append("ticks", at * second, [(Kind.ITEMS, 1, b"%d" % at)])
        os.utime(last_segment(folder), ns=(at * second, at * second))
    close_writer(writer, "ticks")
    oldest = int(read(folder)[0].payload)
    assert 395 - 80 - 20 <= oldest <= 395 - 80


def test_segments_are_deleted_once_a_checkpoint_no_longer_needs_them(folder):
    retention = Retention(until_checkpointed=True, max_age="8000h")
    writer = open_writer(folder, "test", "ticks", retention)
    hour = 3_600 * 10**9
    for i in range(5):
        writer.append("ticks", i * 2_000 * hour, [(Kind.ITEMS, 1, b"%d" % i)])
    payloads = [r.payload for r in read(folder)]
    needed = read(folder)[3].arrival
    writer.confirm("ticks", needed)
    close_writer(writer, "ticks")
    assert payloads == [b"0", b"1", b"2", b"3", b"4"]
    assert [r.payload for r in read(folder)] == [b"3", b"4"]


def test_a_segment_that_another_source_needs_stays(folder):
    writer = open_writer(folder, "test", "ticks", Retention(until_checkpointed=True, max_age="8000h"))
    hour = 3_600 * 10**9
    writer.append("quotes", 0, [(Kind.ITEMS, 1, b"q")])
    for i in range(1, 4):
        writer.append("ticks", i * 2_000 * hour, [(Kind.ITEMS, 1, b"%d" % i)])
    writer.confirm("ticks", writer.arrival)
    assert [r.payload for r in read(folder)] == [b"q", b"1", b"2", b"3"]
    writer.confirm("quotes", writer.arrival)
    assert [r.payload for r in read(folder)] == [b"3"]
    close_writer(writer, "ticks")


def test_a_cursor_continues_at_every_arrival_number_over_segments(folder):
    write_segments(folder, 5)
    records = read(folder)
    assert len(records) == 5
    for at in range(tail_of(folder).arrival + 1):
        assert read(folder, at) == [r for r in records if r.arrival + r.n > at]


def test_a_cursor_in_front_of_the_oldest_segment_is_an_error(folder):
    write_segments(folder, 20)
    with pytest.raises(SourceError, match="must have item 0, got one that begins at"):
        read(folder, 0)


def test_a_cursor_follows_a_writer_over_segments_and_torn_tails(folder):
    cursor = Cursor(folder)
    assert rest(cursor) == []
    found = []
    for i in range(6):
        write(folder, b"%d" % i + bytes(70_000), retention=Retention(max_bytes=1 << 20))
        with open(last_segment(folder), "ab") as file:
            file.write(b"rxJ1torn")
        found += rest(cursor)
        assert rest(cursor) == []
    cursor.close()
    assert [r.payload[:1] for r in found] == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert len([name for name in os.listdir(folder) if name.endswith(".journal")]) > 1


def test_the_last_segment_tells_the_last_record_of_every_source(folder):
    write(folder, (Kind.END, 1, b""), source="old", now=500)
    write_segments(folder, 3)
    tail = tail_of(folder)
    assert tail.sources["old"].is_ended
    assert tail.sources["old"].at == 500
    assert not tail.sources["ticks"].is_ended


@pytest.mark.parametrize("left", [0, 5])
def test_a_segment_that_was_begun_but_has_no_record_is_begun_again(folder, left):
    write(folder, b"first")
    arrival = tail_of(folder).arrival
    with open(os.path.join(folder, f"{arrival:020d}.journal"), "wb") as file:
        file.write(b"rxJ1t"[:left])
    cursor = Cursor(folder)
    assert [r.payload for r in rest(cursor)] == [b"first"]
    write(folder, b"second")
    assert [r.payload for r in rest(cursor)] == [b"second"]
    cursor.close()
    assert tail_of(folder).sources.keys() == {"ticks"}


class FullDisk:
    """A segment on a disk with room for some bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        n = self.file.write(data[: self.room])
        self.room -= n
        if not n:
            raise OSError(28, "No space left on device")
        return n

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 1, 20, 40])
def test_a_record_that_the_disk_refuses_leaves_the_journal_as_it_was(folder, room):
    writer = open_writer(folder, "test", "ticks", None)
    writer.append("ticks", 1, [(Kind.ITEMS, 1, b"first")])
    writer._file = disk = FullDisk(writer._file, room)
    with pytest.raises(WriteRefused, match="must have room for what is recorded, got No space left on device; free"):
        writer.append("ticks", 2, [(Kind.ITEMS, 1, b"second" * 10)])
    disk.room = 10**6
    writer.append("ticks", 3, [(Kind.ITEMS, 1, b"third")])
    close_writer(writer, "ticks")
    assert [(r.arrival, r.payload) for r in read(folder)] == [(1, b"first"), (2, b"third")]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be deleted")
def test_nothing_is_written_or_waited_for_in_a_segment_that_was_deleted(folder):
    writer = open_writer(folder, "test", "ticks", None)
    writer.append("ticks", 1, [(Kind.ITEMS, 1, b"first")])
    with closing(Cursor(folder)) as cursor:
        assert len(rest(cursor)) == 1
        shutil.rmtree(folder)
        with pytest.raises(
            WriteRefused, match="must stay in place while it is recorded, got No such file or directory"
        ):
            writer.append("ticks", 2, [(Kind.ITEMS, 1, b"second")])
        with pytest.raises(SourceError, match="must stay in place while it is read, got a deleted file; restore the"):
            cursor.next()
    close_writer(writer, "ticks")


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_what_was_appended_survives_a_kill_of_the_process(folder):
    code = textwrap.dedent(f"""
        import os, signal
        from rxdag.journal import Kind, open_writer
        writer = open_writer({folder!r}, "test", "ticks", None)
        for i in range(100):
            writer.append("ticks", i, [(Kind.ITEMS, 1, b"%d" % i)])
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert [r.payload for r in read(folder)] == [b"%d" % i for i in range(100)]


def test_numbers_that_were_lost_are_not_given_again(folder):
    write(folder, b"first")
    writer = open_writer(folder, "test", "ticks", None)
    writer.reserve("ticks", 10, 5, b"")
    writer.reserve("ticks", 7, 5, b"")
    writer.append("ticks", 6, [(Kind.ITEMS, 1, b"second")])
    close_writer(writer, "ticks")
    assert [(r.kind, r.arrival, r.n) for r in read(folder)] == [
        (Kind.ITEMS, 1, 1),
        (Kind.GAP, 2, 8),
        (Kind.ITEMS, 10, 1),
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_cannot_write(folder):
    writer = open_writer(folder, "test", "ticks", None)
    child = os.fork()
    if child == 0:
        try:
            writer.append("ticks", 1, [(Kind.ITEMS, 1, b"")])
        except BaseException as error:
            os._exit(7 if "this is a fork of it" in str(error) else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    close_writer(writer, "ticks")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_age": "0s"}, "Retention: max_age must be more than 0"),
        ({"max_bytes": 5}, "Retention: max_bytes must be"),
        ({"until_checkpointed": 1}, "Retention: until_checkpointed must be"),
    ],
)
def test_a_retention_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(GraphError, match=message):
        Retention(**wrong)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="must be a folder that can be written, got "):
        open_writer(str(tmp_path / "file" / "journal"), "test", "ticks", None)
