"""Read sources by hand, and continue them at a position that has been through bytes."""

from contextlib import closing
from random import Random

from rxdag.codec import Codec
from rxdag.contract import END


class Clock:
    def now(self):
        return 0


class Context:
    """What a source sees of a run; malformed input is noted, or raised if `raises`."""

    name, dag, saves = "source", "dag", False
    clock = Clock()
    boundary = None
    saw = None

    def __init__(self, *, columns=False, raises=False):
        self.wants_columns = columns
        self.raises = raises
        self.random = Random(0)
        self.dead = []
        self.drops = 0

    def wants_thread(self):
        return False

    def drop(self, reason, n=1):
        self.drops += n

    def bad(self, item, error):
        if self.raises:
            raise error
        self.dead.append(str(error))


def rest_of(reader, size=7):
    """The items that are left."""
    items = []
    while (read := reader.read(size)) is not END:
        items += read.rows().items
    return items


def read_all(source, *, columns=False, size=7):
    """The items and the malformed ones of a source."""
    context = Context(columns=columns)
    with closing(source.open(context)) as reader:
        return rest_of(reader, size), context.dead


def stop(source, items, *, columns=False, size=None):
    """Read so many items; return them, the malformed ones before, and the position as bytes."""
    context = Context(columns=columns)
    with closing(source.open(context)) as reader:
        read = []
        while len(read) < items:
            read += reader.read(min(size or items, items - len(read))).rows().items
        return read, context.dead, Codec().encode(reader.position())


def go_on(source, position, *, columns=False, size=7):
    """The items and the malformed ones after a position."""
    context = Context(columns=columns)
    with closing(source.open(context)) as reader:
        reader.seek(Codec().decode(position))
        return rest_of(reader, size), context.dead
