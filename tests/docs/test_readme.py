"""The README works as it is pasted, and names no place where rxdag is not."""

import re
import subprocess
import sys

from rxdag.contract import INSTALL
from tests.docs.pages import PAGES, ROOT

README = (ROOT / "README.md").read_text()


def pasted():
    """The Python of the README, one block after the other; of sessions what is typed."""
    for block in re.findall(r"^```python\n(.*?)^```", README, re.M | re.S):
        typed = [line[4:] for line in block.splitlines() if line.startswith((">>> ", "... "))]
        yield "\n".join(typed) if typed else block


def test_the_examples_run_in_an_empty_folder_with_the_file_that_is_shown(tmp_path):
    (shown,) = re.findall(r"^\$ cat > trades\.csv << END\n(.*?)^END\n", README, re.M | re.S)
    (tmp_path / "trades.csv").write_text(shown)
    (tmp_path / "example.py").write_text("\n".join(pasted()))
    done = subprocess.run([sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == re.search(r"^A 1 Ohlcv.*$", README, re.M)[0]
    assert 'key_by: key: Trade has no field "simbol"; did you mean "symbol"?' in done.stdout
    assert lines[-2:] == ["[{'symbol': 'A', 'value': 10.0}]", "[0, 2, 4]"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bars.csv", "example.py", "late.jsonl", "trades.csv"]


def test_what_is_installed_is_a_checkout():
    texts = [*PAGES, *(ROOT / "examples").glob("*"), *(ROOT / "src").rglob("*.py")]
    named = [line for path in texts if path.is_file() for line in re.findall(r"pip install ([^\n]*)", path.read_text())]
    assert INSTALL.format(extra="cli").removeprefix("pip install ") in "\n".join(named)
    assert [line for line in named if re.match(r"[\"']?rxdag\b", line)] == []
