"""The pages that people read, and what stands in them as code."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted(
    [
        ROOT / "README.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / ".github").rglob("*.md"),
        *(ROOT / ".github").rglob("*.yml"),
    ]
)
_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
_SPAN: Final = re.compile(r"(?<!`)`([^`]+)`(?!`)")


@dataclass(frozen=True)
class Code:
    """A piece of code in a page: what stands between backticks, or a line of a console.

    Attributes:
        text: The code, on one line.
        where: Page and line, for messages.
    """

    text: str
    where: str


@functools.cache
def spans() -> tuple[Code, ...]:
    """Return what stands between single backticks, outside of blocks."""
    return tuple(_spans())


def _spans() -> Iterator[Code]:
    for page in PAGES:
        whole = page.read_text()
        prose = _BLOCK.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), whole)
        for found in _SPAN.finditer(prose):
            yield _code(page, whole, found)


def console() -> Iterator[Code]:
    """Yield what is typed in blocks of a console, without comments."""
    for page in PAGES:
        whole = page.read_text()
        for block in _BLOCK.finditer(whole):
            if block[1] == "console":
                for found in re.finditer(r"^\$ (.*?)(?: +#.*)?$", block[0], re.M):
                    line = whole[: block.start() + found.start()].count("\n") + 1
                    yield Code(found[1], f"{page.relative_to(ROOT)}:{line}")


def _code(page: Path, whole: str, found: re.Match[str]) -> Code:
    return Code(" ".join(found[1].split()), f"{page.relative_to(ROOT)}:{whole[: found.start()].count(chr(10)) + 1}")
