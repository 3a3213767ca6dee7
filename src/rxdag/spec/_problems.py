"""Problems of a spec: all at once, each with its position."""

from __future__ import annotations

from dataclasses import dataclass

from rxdag.errors import SpecError


@dataclass(frozen=True)
class Mark:
    """A position in a text, counted from 1.

    Attributes:
        file: Name of the file.
        line: Line number.
        column: Column number.
    """

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """A problem of a spec.

    Attributes:
        mark: Its position.
        path: The same as keys, such as "nodes.bars.size"; empty for the whole text.
        message: The rule, and the value found.
    """

    mark: Mark
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.mark}: {self.path + ': ' if self.path else ''}{self.message}"


class Problems:
    """Collects problems."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, mark: Mark, path: str, message: str) -> None:
        """Add a problem, unless the same one was found at that place."""
        problem = Problem(mark, path, message)
        if problem not in self.found:
            self.found.append(problem)

    def check(self) -> None:
        """Raise all problems, if there are any, in the order of the text.

        Raises:
            SpecError: Lists all problems.
        """
        if self.found:
            raise spec_error(self.found)


def spec_error(found: list[Problem]) -> SpecError:
    """Return the error of several problems; `problems` has them one by one."""
    ordered = sorted(found, key=lambda p: (p.mark.file, p.mark.line, p.mark.column))
    text = "\n  ".join(str(problem) for problem in ordered)
    error = SpecError(text if len(ordered) == 1 else f"{len(ordered)} problems:\n  {text}")
    error.problems = tuple(ordered)
    return error
