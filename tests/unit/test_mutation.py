"""The changes that a mutation run tries: small, one at a time, in code alone."""

import ast

from tests.mutation.changes import changes_of

TEXT = '''
"""A text that stays."""
from x import y
LIMIT: int = 3


class A:
    label = "a"

    def take(self, n: int = 5) -> int:
        """Take."""
        super().take(n)
        if n < 1 and not self.ready:
            raise ValueError(f"n must be {1 + 1}")
        self.n += n
        self.last = n
        self.tell()
        return min(n, 2)
'''


def test_all_small_changes_of_a_file_are_found_and_each_is_one():
    made = [(change.line, change.now.splitlines()[0]) for change in changes_of(TEXT)]
    assert made == [
        (13, "if not (n < 1 and (not self.ready)):"),
        (13, "if n < 1 or not self.ready:"),
        (13, "if n <= 1 and (not self.ready):"),
        (13, "if n < 2 and (not self.ready):"),
        (13, "if n < 1 and self.ready:"),
        (15, "self.n -= n"),
        (15, "pass"),
        (16, "pass"),
        (17, "pass"),
        (18, "return None"),
        (18, "return max(n, 2)"),
        (18, "return min(n, 3)"),
    ]
    plain = ast.unparse(ast.parse(TEXT))
    for change in changes_of(TEXT):
        before, after = plain.splitlines(), change.text.splitlines()
        assert len(before) == len(after)
        assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
