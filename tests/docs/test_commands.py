"""Every command that the documentation names exists, with the options that it is given there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import typer.main

from rxdag.cli._app import app
from tests.docs.pages import ROOT, Code, console, spans

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
SETTINGS = set(re.findall(r"\b([A-Z_]+) ?[?:]?=", MAKEFILE)) | set(re.findall(r"\$\(([A-Z_]+)\)", MAKEFILE))
GROUP = typer.main.get_command(app)
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def parts(text: str) -> Iterator[list[str]]:
    """Yield the words of each command of a line of a shell."""
    for part in re.split(r"\s*(?:\||;|&&|&|>|<)\s*", text):
        words = shlex.split(part)
        if words:
            yield words


def problems_of_make(words: list[str]) -> Iterator[str]:
    """Yield what `make` does not know: targets, and variables that it would take no notice of."""
    while "=" in words[0]:
        words = [*words[1:], words[0]]
    for word in words[1:]:
        name, is_setting, _ = word.partition("=")
        if is_setting and name not in SETTINGS:
            yield f"no setting {name}"
        elif not is_setting and name not in TARGETS:
            yield f"no target {name}"


def problems_of_rxdag(words: list[str]) -> Iterator[str]:
    """Yield the commands and options that the command line does not have."""
    command, given = GROUP, words[1:]
    while given and hasattr(command, "commands") and not given[0].startswith("--"):
        if given[0] not in command.commands:
            yield f"no command {given[0]}"
            return
        command, given = command.commands[given[0]], given[1:]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    yield from (f"no option {word}" for word in given if word.startswith("--") and word.partition("=")[0] not in known)


def commands_of(group: Any) -> Iterator[Any]:
    """Yield a command and those in it."""
    yield group
    for command in getattr(group, "commands", {}).values():
        yield from commands_of(command)


def problems(code: Code) -> Iterator[str]:
    """Yield what is wrong with the commands of a piece of code."""
    for words in parts(code.text):
        bare = next((word for word in words if "=" not in word), "")
        found = problems_of_make(words) if bare == "make" else problems_of_rxdag(words) if bare == "rxdag" else ()
        yield from (f"{code.where}: {code.text}: {problem}" for problem in found)


def is_command(code: Code) -> bool:
    return re.match(r"([A-Z_]+=\S+ )*(make|rxdag)\b(?![.\[])", code.text) is not None


def test_every_command_in_prose_exists():
    """A changelog also names what is gone."""
    found = [code for code in spans() if is_command(code) and not code.where.startswith("docs/changelog.md")]
    assert len(found) > 40
    assert [problem for code in found for problem in problems(code)] == []


def test_every_command_in_a_console_exists():
    found = list(console())
    assert len(found) > 15
    assert [problem for code in found for problem in problems(code)] == []


def test_every_make_target_in_the_sources_exists():
    """Error messages name them."""
    found = [
        Code(text, str(path.relative_to(ROOT)))
        for path in SOURCES
        for text in re.findall(r"`(make [^`]+)`", path.read_text())
    ]
    assert found
    assert [problem for code in found for problem in problems(code)] == []


def test_every_example_of_the_help_exists():
    """In the epilogs: "Examples: rxdag nodes; rxdag nodes window"."""
    for command in commands_of(GROUP):
        for example in re.findall(r"rxdag (?:[^;,]+)", (command.epilog or "").partition(":")[2]):
            assert list(problems(Code(example.strip(), str(command.name)))) == []


def test_every_option_in_prose_exists():
    commands = list(commands_of(GROUP))
    known = {option for command in commands for parameter in command.params for option in parameter.opts}
    elsewhere = {"--docs"}  # of python -m tests.benchmarks
    named = {(code.text.split()[0], code.where) for code in spans() if code.text.startswith("--")}
    assert [
        (option, where) for option, where in sorted(named) if option.partition("=")[0] not in known | elsewhere
    ] == []


def test_a_wrong_command_is_told():
    def told(text: str) -> list[str]:
        return [problem.rpartition(": ")[2] for problem in problems(Code(text, "here"))]

    assert told("make stress SECONDS=60") == []
    assert told("rxdag run bars.yaml --until 60s | rxdag top") == []
    assert told("make stres") == ["no target stres"]
    assert told("SECOND=60 make stress") == ["no setting SECOND"]
    assert told("rxdag run bars.yaml --unti 60s") == ["no option --unti"]
    assert told("rxdag watch bars.yaml") == ["no command watch"]
