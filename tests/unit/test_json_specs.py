"""The form of JSON in specs, on the command line, and in a run that continues."""

import msgspec
import pytest
from tests.unit.test_cli import rxdag_

import rxdag
from rxdag import SpecError, sinks, sources
from rxdag.spec import json_schema

SPEC = """\
nodes:
  rows:
    source: jsonl
    path: rows.jsonl
    of: {price: float, id: int}
    strict: false
    records: data.trades
    when: {channel: trade, sub.n: 1}
  out: {sink: csv, input: rows, path: out.csv}
"""
ROWS = """\
{"channel":"trade","sub":{"n":1},"data":{"trades":[{"price":"1.5","id":"1"},{"price":2,"id":2}]}}
{"channel":"status","sub":{"n":1},"data":{"trades":[{"price":"3","id":"3"}]}}
{"channel":"heartbeat"}
"""


def test_a_spec_reads_the_form_and_is_written_back(tmp_path):
    (tmp_path / "rows.jsonl").write_text(ROWS)
    dag = rxdag.load_spec(text=SPEC, base=tmp_path)
    again = rxdag.load_spec(text=rxdag.dump_spec(dag), base=tmp_path)
    for each in (dag, again):
        rxdag.run(each)
        assert (tmp_path / "out.csv").read_text() == "price,id\n1.5,1\n2.0,2\n"
        (tmp_path / "out.csv").unlink()


@pytest.mark.parametrize(
    ("line", "path", "said"),
    [
        ("strict: 3", "nodes.rows.strict", "expected `bool`, got `int`"),
        (
            "records: a..b",
            "nodes.rows",
            'records must be names of fields with dots between them, such as "data.trades"',
        ),
        ("when: trade", "nodes.rows.when", "must be a mapping"),
        ("when: {a: [1]}", "nodes.rows.when.a", "expected `bool | int | str`, got `array`"),
        ("recods: a", "nodes.rows.recods", 'did you mean "records"?'),
    ],
)
def test_a_form_that_is_wrong_is_refused_at_its_place(tmp_path, line, path, said):
    name = line.partition(":")[0]
    kept = [each for each in SPEC.splitlines() if not each.strip().startswith(f"{name}:")]
    kept.insert(5, f"    {line}")
    with pytest.raises(SpecError) as caught:
        rxdag.load_spec(text="\n".join(kept), base=tmp_path)
    found = [(problem.path, problem.message) for problem in caught.value.problems]
    assert any(where.startswith(path) and said in message for where, message in found), found


@pytest.mark.parametrize("name", ["jsonl", "websocket"])
def test_the_schema_knows_the_arguments(name):
    [node] = [
        each
        for each in json_schema()["$defs"]["node"]["anyOf"]
        if each["properties"].get("source", {}).get("const") == name
    ]
    assert node["properties"]["strict"]["type"] == "boolean"
    assert {"strict", "records", "when"} <= node["properties"].keys()


@pytest.mark.filterwarnings("ignore:'click:DeprecationWarning")
@pytest.mark.parametrize(("path", "given"), [("rows.jsonl", None), ("-", '{"data":[{"price":"9","id":"9"}]}\n')])
def test_the_command_line_sets_the_form_also_for_stdin(tmp_path, path, given):
    (tmp_path / "spec.yaml").write_text(SPEC.replace("    when: {channel: trade, sub.n: 1}\n", ""))
    (tmp_path / "rows.jsonl").write_text('{"data":[{"price":"9","id":"9"}]}\n')
    code, _, err = rxdag_(
        "run", "spec.yaml", "--set", "rows.records=data", "--set", f"rows.path={path}", cwd=tmp_path, given=given
    )
    assert code == 0, err
    assert (tmp_path / "out.csv").read_text() == "price,id\n9.0,9\n"


def test_other_records_than_those_of_the_checkpoint_are_refused(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a":[{"n":1}],"b":[{"n":"2"}]}\n')
    of = msgspec.defstruct("Item", [("n", int)])

    def run(**form):
        rows = rxdag.from_source(sources.jsonl(tmp_path / "t.jsonl", of, **form), name="rows")
        out = rows.to(sinks.collect(), name="out")
        return rxdag.run(rxdag.Dag(out, name="job"), checkpoints=tmp_path / "state")

    assert len(run(records="a")["out"]) == 1
    for form in ({"records": "b"}, {"records": "a", "strict": False}, {}):
        with pytest.raises(rxdag.RxDagError, match="must be the graph of checkpoint"):
            run(**form)
