"""The writer of a sink, opened without a run."""

from rxdag.contract import Shape
from rxdag.engine.drivers import VirtualClock


class Context:
    """The run as a sink sees it."""

    clock = VirtualClock()
    saw = None
    error = None

    def __init__(self, shape=None, name="out", dag="job", saves=True):
        self.shape = shape or Shape()
        self.name = name
        self.dag = dag
        self.saves = saves
        self.logged = []

    def call(self, fn):
        fn()

    def enough(self):
        pass

    def log(self, code, **fields):
        self.logged.append((code, sorted(fields)))
