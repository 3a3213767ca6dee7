"""Several files as one stream: their order, their positions, and files that are others after a restart."""

import gzip
import itertools
from contextlib import closing

import msgspec
import pytest
from tests.unit.reading import Context, go_on, read_all, stop

import rxdag
from rxdag import GraphError, NodeError, SourceError, SpecError, sources
from rxdag.codec import Codec
from rxdag.contract import END


class Tick(msgspec.Struct):
    ts: int
    note: str


SIZES = (5, 0, 1, 9)
"""Numbers of items of the files."""
FORMS = {".csv": sources.csv, ".csv.gz": sources.csv, ".jsonl": sources.jsonl}


def text_of(form, rows):
    if "csv" in form:
        return "ts,note\n" + "".join(f"{ts},n{ts}\n" for ts in rows)
    return "".join(f'{{"ts":{ts},"note":"n{ts}"}}\n' for ts in rows)


def write(path, text):
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def files(folder, form=".csv"):
    """Four files; the second has no items."""
    starts = itertools.accumulate((0, *SIZES))
    return [
        write(folder / f"t{n}{form}", text_of(form, range(start, start + size)))
        for n, (start, size) in enumerate(zip(starts, SIZES, strict=False))
    ]


def of_pattern(folder, form=".csv"):
    return FORMS[form](folder / f"t*{form}", Tick)


# ---- what is read


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("columns", [False, True])
def test_files_of_a_pattern_are_one_stream_in_order_of_their_names(tmp_path, form, columns):
    files(tmp_path, form)
    items, dead = read_all(of_pattern(tmp_path, form), columns=columns)
    assert [item.ts for item in items] == list(range(15))
    assert dead == []


def test_files_of_a_list_are_read_in_its_order(tmp_path):
    one, _, two, three = files(tmp_path)
    stream = rxdag.from_source(sources.csv([three, str(tmp_path / "t[12].csv"), one], Tick))
    assert [item.ts for item in stream.collect()] == [*range(6, 15), 5, *range(5)]
    assert two.exists()


def test_a_pattern_with_two_stars_goes_into_folders(tmp_path):
    for name, ts in (("b/c", 2), ("a", 1)):
        (tmp_path / name).mkdir(parents=True)
        write(tmp_path / name / "t.csv", f"ts,note\n{ts},x\n")
    assert [item.ts for item in read_all(sources.csv(tmp_path / "**" / "t.csv", Tick))[0]] == [1, 2]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    write(tmp_path / "t[1].csv", "ts,note\n7,x\n")
    write(tmp_path / "t1.csv", "ts,note\n8,x\n")
    assert read_all(sources.csv(tmp_path / "t[1].csv", Tick))[0] == [Tick(7, "x")]


def test_an_error_names_its_file_and_line(tmp_path):
    _, _, two, _ = files(tmp_path)
    write(two, "note,ts\na,1\nb,x\n")
    items, dead = read_all(of_pattern(tmp_path))
    assert [item.ts for item in items] == [*range(5), 1, *range(6, 15)]
    assert dead == [f"""{two}: line 3: column "ts": must be a whole number, got 'x'"""]


def test_each_file_has_a_header_and_a_trailer_of_its_own(tmp_path):
    paths = files(tmp_path)
    for path in paths:
        write(path, path.read_text() + "END\n")
    dialect = sources.Dialect(trailer="END")
    items, _ = read_all(sources.csv(paths, Tick, dialect=dialect))
    assert [item.ts for item in items] == list(range(15))


def test_the_share_that_was_read_is_that_of_all_files(tmp_path):
    files(tmp_path)
    with closing(of_pattern(tmp_path).open(Context())) as reader:
        seen = [reader.progress()]
        while reader.read(100) is not END:
            seen.append(reader.progress())
        seen.append(reader.progress())
    assert seen == [0.0, 0.25, 0.75, 1.0, 1.0]


# ---- positions


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("before", "after"), list(itertools.product([False, True], [False, True])))
def test_files_continue_at_each_item_in_either_lane(tmp_path, form, before, after):
    files(tmp_path, form)
    source = of_pattern(tmp_path, form)
    whole, _ = read_all(source)
    for n in range(16):
        read, _, position = stop(source, n, columns=before, size=1)
        assert read + go_on(source, position, columns=after)[0] == whole


def test_the_end_of_all_files_is_a_position(tmp_path):
    files(tmp_path)
    source = of_pattern(tmp_path)
    with closing(source.open(Context())) as reader:
        while reader.read(100) is not END:
            pass
        position = Codec().encode(reader.position())
    assert go_on(source, position) == ([], [])


def _added_before(folder):
    write(folder / "t00.csv", "ts,note\n")


def _added_behind(folder):
    write(folder / "t9.csv", "ts,note\n")


def _lost_read(folder):
    (folder / "t0.csv").unlink()


def _lost_unread(folder):
    (folder / "t3.csv").unlink()


def _grown(folder):
    write(folder / "t0.csv", (folder / "t0.csv").read_text() + "99,x\n")


def _changed(folder):
    write(folder / "t0.csv", (folder / "t0.csv").read_text().replace("n1", "m1"))


def _current_changed(folder):
    write(folder / "t3.csv", (folder / "t3.csv").read_text().replace("n6", "m6"))


SAID = {
    _added_before: 'must have the files that the checkpoint was taken from, got also "{}/t00.csv"; take it out, or start',
    _added_behind: 'must have the files that the checkpoint was taken from, got also "{}/t9.csv"; take it out, or start',
    _lost_read: 'must have the files that the checkpoint was taken from, got none called "{}/t0.csv"; put it back, or',
    _lost_unread: 'must have the files that the checkpoint was taken from, got none called "{}/t3.csv"; put it back, or',
    _grown: 'got "{}/t0.csv" of 38 bytes, which had 33 when it was read; put that file back, or start without the ch',
    _changed: '"{}/t0.csv" must be the file that the checkpoint was taken from, got one that begins differently; put th',
    _current_changed: '"{}/t3.csv" must be the file that the checkpoint was taken from, got one that begins differently',
}


@pytest.mark.parametrize("change", SAID, ids=lambda change: change.__name__.strip("_"))
def test_files_that_are_others_after_a_restart_are_refused(tmp_path, change):
    files(tmp_path)
    source = of_pattern(tmp_path)
    _, _, position = stop(source, 8, size=1)
    change(tmp_path)
    with pytest.raises(SourceError) as caught:
        go_on(source, position)
    assert SAID[change].format(tmp_path) in str(caught.value)


def test_a_list_in_another_order_is_refused(tmp_path):
    paths = files(tmp_path)
    _, _, position = stop(sources.csv(paths, Tick), 6, size=1)
    with pytest.raises(SourceError, match=r't3.csv" first; restore the order, or start without the checkpoint'):
        go_on(sources.csv(paths[::-1], Tick), position)


def test_the_file_that_is_being_read_may_have_grown(tmp_path):
    *_, last = files(tmp_path)
    source = of_pattern(tmp_path)
    _, _, position = stop(source, 8, size=1)
    write(last, last.read_text() + "15,n15\n")
    assert [item.ts for item in go_on(source, position)[0]] == list(range(8, 16))


# ---- what is refused


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ([], 'csv: path must be a file, files, or "-" alone for stdin, got ()'),
        (["a.csv", "-"], "csv: path must be a file, files, or \"-\" alone for stdin, got ('a.csv', '-')"),
        (["a.csv", 3], "csv: path must be a text or a pathlib.Path, got 3"),
        (["a.csv", ""], "csv: path must name a file, got ''"),
    ],
)
def test_a_list_that_is_no_list_of_files_is_refused(paths, said):
    with pytest.raises(GraphError) as caught:
        sources.csv(paths, Tick)
    assert str(caught.value) == said


def test_files_that_cannot_be_found_are_named(tmp_path):
    one, *_ = files(tmp_path)
    for paths, said in (
        (tmp_path / "x*.csv", f'csv: pattern must match a file, got "{tmp_path}/x*.csv", which matches none'),
        ([one, tmp_path / "tt.csv"], f'csv: file must exist, got "{tmp_path}/tt.csv"'),
        ([one, tmp_path / "t*.csv"], f'csv: path must give each file once, got "{one}" twice'),
    ):
        with pytest.raises(NodeError) as caught:
            rxdag.from_source(sources.csv(paths, Tick)).collect()
        assert said in str(caught.value)


# ---- specs

SPEC = "nodes: {n: {source: csv, path: %s, of: {ts: int, note: str}}, o: {sink: collect, input: n}}"


@pytest.mark.parametrize("path", ["'t*.csv'", "[t0.csv, t1.csv, 't[23].csv']"])
def test_a_spec_reads_several_files_and_is_written_back(tmp_path, path):
    files(tmp_path)
    dag = rxdag.load_spec(text=SPEC % path, base=tmp_path)
    again = rxdag.load_spec(text=rxdag.dump_spec(dag), base=tmp_path)
    for each in (dag, again):
        assert [item.ts for item in rxdag.run(each)["o"]] == list(range(15))


@pytest.mark.parametrize("path", ["'*/x.csv'", "['in.csv', '../x.csv']", "'li*/x.csv'", "'x*.csv'"])
def test_a_pattern_is_no_way_out_of_the_folder_of_a_spec(tmp_path, path):
    inside = tmp_path / "in"
    inside.mkdir()
    write(tmp_path / "x.csv", "ts,note\n")
    (inside / "link").symlink_to(tmp_path)
    (inside / "x1.csv").symlink_to(tmp_path / "x.csv")
    with pytest.raises(SpecError, match="must be inside"):
        rxdag.load_spec(text=SPEC % path, base=inside)
