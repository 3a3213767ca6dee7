from hypothesis import given
from hypothesis import strategies as st

from rxdag.contract import Chunk


def flat(chunks):
    """Items and marks in their order, of several marks at one place the last."""
    out = []
    for chunk in chunks:
        marks = list(chunk.marks)
        for i, item in enumerate(chunk.items):
            while marks and marks[0][0] <= i:
                out.append(("mark", marks.pop(0)[1]))
            out.append(("item", item, chunk.ts[i], chunk.key[i]))
        out += [("mark", w) for _, w in marks]
    return [e for i, e in enumerate(out) if e[0] == "item" or i + 1 == len(out) or out[i + 1][0] == "item"]


@st.composite
def chunks(draw):
    n = draw(st.integers(0, 6))
    positions = sorted(set(draw(st.lists(st.integers(0, n), max_size=4))))
    marks = tuple((p, 10 * i) for i, p in enumerate(positions))
    return Chunk(list(range(n)), list(range(100, 100 + n)), [0] * n, list("abcdef"[:n]), marks)


@given(chunks(), st.integers(0, 7))
def test_split_and_join_keep_items_and_marks_in_order(chunk, at):
    head, tail = chunk.split(at)
    assert len(head) == min(at, len(chunk))
    assert flat([head, tail]) == flat([chunk])
    assert flat([head.join(tail)]) == flat([chunk])


@given(chunks())
def test_singles_hold_one_item_or_one_mark(chunk):
    singles = chunk.singles()
    assert all(len(s) + len(s.marks) == 1 for s in singles)
    assert flat(singles) == flat([chunk])


def test_a_chunk_of_marks_joins_one_with_times():
    joined = Chunk([], marks=((0, 5),)).join(Chunk([1], [7], [0], ["k"], ((1, 6),)))
    assert (joined.items, joined.ts, joined.key, joined.marks) == ([1], [7], ["k"], ((0, 5), (1, 6)))
    behind = Chunk([1], [7], [0], ["k"]).join(Chunk([], marks=((0, 5),)))
    assert (behind.ts, behind.marks) == ([7], ((1, 5),))
