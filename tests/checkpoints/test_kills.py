"""kill -9 at any moment: what was committed is whole, and the next run opens the store at once."""

import ast
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def kills(*arguments):
    command = [sys.executable, "-m", "tests.checkpoints.kills", *map(str, arguments)]
    return ast.literal_eval(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def test_a_kill_between_any_two_statements_leaves_the_last_checkpoint_whole(tmp_path):
    killed, wrong = kills(tmp_path, "points")
    assert wrong == []
    assert killed >= 60


def test_a_kill_at_any_instant_leaves_the_last_checkpoint_whole(tmp_path):
    killed, wrong, newest, fewest = kills(tmp_path, "instants", 50)
    assert wrong == []
    assert killed == 50
    assert newest >= fewest > 40
