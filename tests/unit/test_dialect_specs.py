"""Dialects of CSV in specs, on the command line, and in a run that continues."""

import msgspec
import pytest
from tests.unit.test_cli import rxdag_

import rxdag
from rxdag import SpecError, sinks, sources
from rxdag.spec import json_schema

SPEC = """\
nodes:
  rows:
    source: csv
    path: rows.csv
    of: {ts: int, price: float | None}
    dialect: {delimiter: "|", quote: null, header: [ts, _, price], comment: "#", trailer: END, decimal: ",", nulls: NA}
  out: {sink: csv, input: rows, path: out.csv}
"""


def test_a_spec_reads_a_dialect_and_is_written_back(tmp_path):
    (tmp_path / "rows.csv").write_text('#a\n1|"|2,5\n2||NA\nEND\n')
    dag = rxdag.load_spec(text=SPEC, base=tmp_path)
    again = rxdag.load_spec(text=rxdag.dump_spec(dag), base=tmp_path)
    for each in (dag, again):
        rxdag.run(each)
        assert (tmp_path / "out.csv").read_text() == "ts,price\n1,2.5\n2,\n"
        (tmp_path / "out.csv").unlink()
    assert again.nodes["rows"].thing.dialect == sources.Dialect(
        delimiter="|", quote=None, header=("ts", "_", "price"), comment="#", trailer="END", decimal=",", nulls=("NA",)
    )


@pytest.mark.parametrize(
    ("dialect", "path", "said"),
    [
        ('{delimitr: ";"}', "nodes.rows.dialect.delimitr", 'is not known; did you mean "delimiter"?; known: delimiter'),
        ('{delimiter: ";;"}', "nodes.rows.dialect", "Dialect: delimiter must be one ASCII character"),
        ("{skip_lines: x}", "nodes.rows.dialect.skip_lines", "expected `int`, got `str`"),
        ("{decimal: ';'}", "nodes.rows.dialect.decimal", "must be . or ,, got ';'"),
        ("{header: [1]}", "nodes.rows.dialect.header", "expected `str`, got `int`"),
        ("{rename: {a: prise}}", "nodes.rows", 'rename must give fields of Item, got "prise"; did you mean "price"?'),
        (";", "nodes.rows.dialect", "must be a mapping of delimiter, quote, header"),
    ],
)
def test_a_dialect_that_is_wrong_is_refused_at_its_place(tmp_path, dialect, path, said):
    text = SPEC[: SPEC.index("    dialect:")] + f"    dialect: {dialect}\n" + SPEC[SPEC.index("  out:") :]
    with pytest.raises(SpecError) as caught:
        rxdag.load_spec(text=text, base=tmp_path)
    found = [(problem.path, problem.message) for problem in caught.value.problems]
    assert any(where.startswith(path) and said in message for where, message in found), found


def test_the_schema_knows_the_attributes_of_a_dialect():
    [csv] = [
        node
        for node in json_schema()["$defs"]["node"]["anyOf"]
        if node["properties"].get("source", {}).get("const") == "csv"
    ]
    _, dialect = csv["properties"]["dialect"]["anyOf"]
    assert sorted(dialect["properties"]) == [
        "comment", "decimal", "delimiter", "header", "nulls", "quote", "rename", "skip_lines", "trailer",
    ]  # fmt: skip
    assert dialect["properties"]["decimal"] == {"enum": [".", ","]}
    assert dialect["additionalProperties"] is False


@pytest.mark.filterwarnings("ignore:'click:DeprecationWarning")
@pytest.mark.parametrize(("path", "given"), [("rows.csv", None), ("-", "ts;price\n1;2.5\n")])
def test_the_command_line_sets_a_dialect_also_for_stdin(tmp_path, path, given):
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "rows.csv").write_text("ts;price\n1;2.5\n")
    sets = ["--set", 'rows.dialect={delimiter: ";"}', "--set", f"rows.path={path}"]
    code, _, err = rxdag_("run", "spec.yaml", *sets, cwd=tmp_path, given=given)
    assert code == 0, err
    assert (tmp_path / "out.csv").read_text() == "ts,price\n1,2.5\n"


def test_another_dialect_than_that_of_the_checkpoint_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("1;2\n2;3\n")
    of = msgspec.defstruct("Item", [("a", int), ("b", int)])

    def run(**options):
        dialect = sources.Dialect(delimiter=";", header=False, **options)
        out = rxdag.from_source(sources.csv(tmp_path / "t.csv", of, dialect=dialect), name="rows").to(
            sinks.collect(), name="out"
        )
        return rxdag.run(rxdag.Dag(out, name="job"), checkpoints=tmp_path / "state")

    assert len(run()["out"]) == 2
    with pytest.raises(rxdag.RxDagError) as caught:
        run(decimal=",")
    assert "must be the graph of checkpoint" in str(caught.value)
