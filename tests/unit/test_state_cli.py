"""`rxdag state`, and graphs in Python files: what they print, and what they exit with."""

import json
import sys

import pytest
from tests.unit.test_checkpointed_runs import settled, virtual
from tests.unit.test_cli import rxdag_

from rxdag import checkpoints
from rxdag.cli._state import plain_state

pytestmark = pytest.mark.filterwarnings("ignore:'click:DeprecationWarning")

JOB = """\
import rxdag
from rxdag import operators as ops, sinks
from tests.unit.test_checkpointed_runs import Steady

numbers = rxdag.from_source(Steady(((1, "A"), (1, "B"), (2, "A"), (1, "A"), (9, "B"))), name="numbers")
timed = numbers.pipe(ops.event_time(lambda x: x[0], unit="s"), name="time")
once = timed.pipe(ops.dedupe(lambda x: x, within="5s"), name="once")
dag = rxdag.Dag(once.to(sinks.collect(), name="out"), name="job")
"""
"""Rows come each 10 ms."""


@pytest.fixture
def job(tmp_path):
    """A file of a graph, in a folder that is the working one; its module is forgotten again."""
    path = tmp_path / "a_job.py"
    path.write_text(JOB)
    yield path
    sys.modules.pop("a_job", None)


def written(path, text):
    path.write_text(text)
    sys.modules.pop(path.stem, None)


def _dag_of(path):
    from rxdag.cli._load import load

    return load(str(path), [], [], outside=False).dag


class TestFiles:
    def test_the_only_dag_of_a_file_is_run(self, job):
        code, out, _ = rxdag_("run", str(job), "--json", "--log-level", "error")
        assert (code, json.loads(out)["items_in"]) == (0, 5)

    def test_several_dags_must_be_named(self, job):
        written(job, JOB + "other = rxdag.Dag(once.to(sinks.null(), name='out'), name='other')\n")
        code, _, err = rxdag_("check", str(job))
        assert (code, err) == (2, f"error: {job}: must have one dag, got 2: dag, other; pass {job}:dag\n")
        assert rxdag_("check", f"{job}:other")[1] == "ok: other, 4 nodes, 3 edges\n"

    def test_a_file_without_a_dag_names_its_functions(self, job):
        written(job, JOB.replace("dag = rxdag.Dag(", "def build(name='job'):\n    return rxdag.Dag("))
        code, _, err = rxdag_("check", str(job))
        assert code == 2
        assert err == (
            f"error: {job}: must have a Dag at module level, got none; assign one, such as dag = rxdag.Dag(...), or pass the name "
            f"of a function that returns one: {job}:build\n"
        )
        assert rxdag_("check", f"{job}:build")[0] == 0

    @pytest.mark.parametrize("kind", ["def build(n):", "async def build():", "class build:"])
    def test_only_a_function_without_arguments_is_called(self, job, kind):
        written(job, JOB + f"{kind}\n    pass\n")
        code, _, err = rxdag_("check", f"{job}:build")
        assert code == 2
        assert f"{job}:build: must be a Dag, a Plan, or a function without arguments that returns one, got " in err

    def test_a_misspelt_name_gets_a_hint(self, job):
        assert rxdag_("check", f"{job}:dga")[2] == f'error: {job}: must have "dga", got none; did you mean "dag"?\n'

    def test_a_missing_file_is_said(self, tmp_path):
        code, _, err = rxdag_("check", str(tmp_path / "none.py"))
        assert (code, err) == (2, f'error: "{tmp_path}/none.py": must be a Python file, got none\n')

    def test_a_file_cannot_hide_a_module(self, tmp_path):
        (tmp_path / "json.py").write_text("")
        code, _, err = rxdag_("check", str(tmp_path / "json.py"))
        assert (code, err) == (
            2,
            f'error: "{tmp_path}/json.py": must not have the name of a module that is in use, got "json"; rename the file\n',
        )

    def test_a_main_block_is_not_run(self, job):
        written(job, JOB + "if __name__ == '__main__':\n    raise SystemExit('run as a script')\n")
        assert rxdag_("check", str(job))[0] == 0


@pytest.fixture
def saved(job, tmp_path):
    """A store with one checkpoint, taken after four rows; the job goes on from there."""
    path = tmp_path / "s.db"
    run = virtual(_dag_of(job), checkpoints.sqlite(path), every="1h")
    run.main.at(35_000_000, run.drain)
    settled(run)
    return path


class TestState:
    def test_the_checkpoints_and_the_nodes_are_listed(self, saved):
        code, out, _ = rxdag_("state", "ls", str(saved), "--json")
        listed = json.loads(out)
        assert code == 0
        assert listed["dag"] == "job"
        assert [(each["id"], each["done"], each["pinned"]) for each in listed["checkpoints"]] == [(1, False, False)]
        assert [(each["name"], each["operator"], each["version"], each["entries"]) for each in listed["nodes"]] == [
            ("numbers", "steady", 1, 0),
            ("time", "event_time", 1, 0),
            ("once", "dedupe", 1, 3),
            ("out", "collect", 1, 0),
        ]

    def test_the_list_is_a_table_for_people(self, saved):
        code, out, _ = rxdag_("state", "ls", str(saved))
        assert code == 0
        assert "pinned" in out
        assert ["node", "operator", "version", "entries", "MB"] in [line.split() for line in out.splitlines()]
        assert 'dag "job"' in out

    def test_the_state_of_a_node_is_shown_by_key(self, saved):
        code, out, _ = rxdag_("state", "show", str(saved), "once", "--key", "A")
        assert code == 0
        assert out == "kernel.first[0]: [(1, 'A'), 1000000000]\nkernel.first[2]: [(2, 'A'), 2000000000]\n"
        as_json = json.loads(rxdag_("state", "show", str(saved), "once", "--key", "B", "--json")[1])
        assert as_json == {"kernel.first[1]": [[1, "B"], 1_000_000_000]}

    def test_the_whole_state_of_a_node_is_shown(self, saved):
        state = json.loads(rxdag_("state", "show", str(saved), "numbers", "--json")[1])
        assert state["position"] == 4
        assert state["totals"] == {"made": 4, "out": {"out": 4}}
        assert "totals: {'made': 4, 'out': {'out': 4}}\n" in rxdag_("state", "show", str(saved), "numbers")[1]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("onc",), '"onc" must be a node of checkpoint 1; did you mean "once"?'),
            (("once", "--key", "C"), 'node "once" must have state of key "C", got none'),
        ],
    )
    def test_a_wrong_node_or_key_is_said(self, saved, arguments, message):
        code, _, err = rxdag_("state", "show", str(saved), *arguments)
        assert (code, err) == (1, f'error: checkpoints "{saved}": {message}\n')

    def test_a_graph_that_fits_would_continue(self, job, saved):
        assert rxdag_("state", "check", str(saved), str(job)) == (0, "ok: job would continue from checkpoint 1\n", "")

    def test_a_graph_that_has_changed_is_told_all_differences(self, job, saved):
        written(job, JOB.replace('within="5s"', 'within="5s", max_keys=9').replace('name="time"', 'name="when"'))
        code, _, err = rxdag_("state", "check", str(saved), str(job))
        assert code == 1
        assert 'node "once": max_keys was left out, and is 9; undo that, or pass --allow-drop once;' in err
        assert 'node "time" was removed, with its state' in err
        declared = ("--allow-drop", "once", "--renamed", "time=when")
        assert rxdag_("state", "check", str(saved), str(job), *declared)[0] == 0
        assert rxdag_("run", str(job), "--checkpoints", str(saved), "--quiet", *declared)[0] == 0
        assert rxdag_("state", "check", str(saved), str(job))[1] == "ok: job is done, at checkpoint 3\n"

    def test_a_renaming_without_a_new_name_is_wrong_usage(self, job, saved):
        code, _, err = rxdag_("state", "check", str(saved), str(job), "--renamed", "time=")
        assert (code, err) == (2, "error: --renamed: must be OLD=NEW, got 'time='\n")

    def test_a_run_can_require_exactly_once(self, job, saved):
        written(job, JOB.replace("sinks.collect()", "sinks.call(print)"))
        code, _, err = rxdag_("run", str(job), "--checkpoints", str(saved), "--require", "exactly", "--fresh")
        assert code == 2
        assert 'sink "out" must deliver exactly once' in err

    def test_a_copy_and_a_fork_are_stores(self, saved, tmp_path):
        assert rxdag_("state", "backup", str(saved), str(tmp_path / "b.db"))[0] == 0
        assert rxdag_("state", "fork", str(saved), str(tmp_path / "f.db"))[0] == 0
        last = checkpoints.sqlite(saved).latest()
        assert checkpoints.sqlite(tmp_path / "b.db").latest() == checkpoints.sqlite(tmp_path / "f.db").latest() == last

    def test_a_copy_over_a_file_is_refused(self, saved, tmp_path):
        (tmp_path / "b.db").write_text("mine")
        code, _, err = rxdag_("state", "backup", str(saved), str(tmp_path / "b.db"))
        assert code == 1
        assert "must be copied to a path where no file is" in err
        assert (tmp_path / "b.db").read_text() == "mine"

    def test_a_pinned_checkpoint_says_so_until_it_is_unpinned(self, saved):
        last = str(checkpoints.sqlite(saved).latest().id)
        pinned = [rxdag_("state", command, str(saved), last)[0] or _pinned(saved) for command in ("pin", "unpin")]
        assert pinned == [[int(last)], []]

    @pytest.mark.parametrize("command", [("ls",), ("show", "once"), ("check", "JOB"), ("pin", "1")])
    def test_a_missing_store_is_said_once(self, job, tmp_path, command):
        name, *rest = [str(job) if each == "JOB" else each for each in command]
        code, _, err = rxdag_("state", name, str(tmp_path / "no.db"), *rest)
        assert (code, err) == (1, f'error: checkpoints "{tmp_path}/no.db": must be a file that exists, got none\n')

    def test_a_file_that_is_no_store_is_said(self, tmp_path):
        (tmp_path / "x.db").write_bytes(b"abc" * 1000)
        code, _, err = rxdag_("state", "ls", str(tmp_path / "x.db"))
        assert code == 1
        assert err.startswith(f'error: checkpoints "{tmp_path}/x.db"')


def test_state_keeps_keys_of_different_types_apart():
    assert plain_state({1: "int", "1": "text", None: {"a": (2, None)}}) == [
        [1, "int"],
        ["1", "text"],
        [None, {"a": [2, None]}],
    ]


def test_what_is_kept_for_a_null_key_is_shown(job, saved):
    written(job, JOB.replace('(2, "A")', "None").replace("lambda x: x[0]", "lambda x: x[0] if x else 2"))
    run = virtual(_dag_of(job), checkpoints.sqlite(saved), every="1h", fresh=True)
    run.main.at(35_000_000, run.drain)
    settled(run)
    assert rxdag_("state", "show", str(saved), "once", "--key", "None")[1] == "kernel.first[2]: [None, 2000000000]\n"


def _pinned(path):
    return [each.id for each in checkpoints.sqlite(path).list() if each.is_pinned]
