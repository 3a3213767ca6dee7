"""A run with nothing to do is asleep; a signal is handled at once, and what it asks for is done."""

import os
import signal
import threading

import pytest

import rxdag
from rxdag import sinks, sources
from rxdag.engine.drivers import FlowScheduler, MonotonicClock, _bell

EVERY_S = 0.01


@pytest.fixture(params=["lock", "event"])
def bell(request):
    if request.param == "event" and not hasattr(os, "eventfd"):
        pytest.skip("this system has no eventfd")
    made = _bell.LockBell() if request.param == "lock" else _bell.new_bell()
    assert type(made).__name__ == {"lock": "LockBell", "event": "EventBell"}[request.param]
    yield made
    made.close()


@pytest.fixture
def signals():
    """Has a function called by signals that come again and again, so that some come while the main thread sleeps."""
    is_over, threads = threading.Event(), []
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda *_: None)  # one that comes when the run has failed already does no harm

    def send():
        while not is_over.wait(EVERY_S):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    def have(fn):
        signal.signal(signal.SIGUSR1, lambda *_: fn())
        threads.append(threading.Thread(target=send))
        threads[0].start()

    yield have
    is_over.set()
    for thread in threads:
        thread.join()
    for number, handler in before.items():
        signal.signal(number, handler)


class Third:
    """Does something when it is called for the third time."""

    def __init__(self, act):
        self.calls = 0
        self._act = act

    def __call__(self):
        self.calls += 1
        if self.calls == 3:
            self._act()


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_a_bell_is_waited_for_over_signals(bell, signals, timeout):
    third = Third(bell.ring)
    signals(third)
    assert bell.wait(timeout)
    assert third.calls >= 3
    assert not bell.wait(0.0)


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_a_bell_that_another_thread_rings_is_heard_over_signals(bell, signals, timeout):
    may_ring = threading.Event()
    thread = threading.Thread(target=lambda: (may_ring.wait(), bell.ring()))
    thread.start()
    signals(Third(may_ring.set))
    assert bell.wait(timeout)
    thread.join()


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_what_the_handler_of_a_signal_raises_gets_out_of_the_wait(bell, signals, timeout):
    def leave():
        raise KeyboardInterrupt

    signals(Third(leave))
    with pytest.raises(KeyboardInterrupt):
        bell.wait(timeout)


def test_a_scheduler_that_sleeps_is_stopped_by_a_signal(signals):
    scheduler = FlowScheduler("s", MonotonicClock())
    signals(Third(scheduler.stop))
    scheduler.wait(None, scheduler.kicks)
    assert scheduler.is_stopped


def silent(begin):
    """One item, and then nothing for as long as the run goes on; `begin` is called once its handlers are there."""

    def register(push):
        push(1)
        begin(push)

    return rxdag.from_source(sources.callback(register, overflow="drop_oldest")).to(sinks.collect(), name="out")


@pytest.mark.parametrize(("name", "kind"), [("SIGTERM", rxdag.Terminated), ("SIGINT", KeyboardInterrupt)])
def test_a_run_that_sleeps_is_drained_by_a_signal(monkeypatch, signals, name, kind):
    monkeypatch.setattr("rxdag.runtime._events.SILENT_NS", 0)  # else its timer keeps the sleep short
    third = Third(lambda: os.kill(os.getpid(), getattr(signal, name)))
    with pytest.raises(kind) as ended:
        rxdag.run(silent(lambda push: signals(third)))
    result = ended.value.result
    assert (result.state, result.was_drained, result.signal) == ("completed", True, name)
    assert (result["out"], result.problems) == ([1], ())


def test_a_run_that_sleeps_goes_on_after_signals_of_the_users(monkeypatch, signals):
    monkeypatch.setattr("rxdag.runtime._events.SILENT_NS", 0)

    def begin(push):
        signals(Third(lambda: (push(2), push.complete())))

    assert rxdag.run(silent(begin))["out"] == [1, 2]
