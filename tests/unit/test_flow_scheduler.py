import asyncio
import errno
import gc
import os
import threading
from datetime import timedelta

import pytest
import reactivex as rx
from reactivex import operators as rxops

import rxdag
from rxdag import operators as ops
from rxdag import sinks
from rxdag.engine.drivers import (
    FlowScheduler,
    LoopDriver,
    MonotonicClock,
    ThreadDriver,
    VirtualClock,
    VirtualLoop,
    _bell,
    drive,
    drive_virtual,
)


def run_until_idle(scheduler, clock):
    drive_virtual(scheduler, clock, lambda: False, lambda: None)


def test_it_is_a_reactivex_scheduler():
    clock = VirtualClock()
    scheduler = FlowScheduler("s", clock)
    seen = []
    rx.timer(2.0, scheduler=scheduler).subscribe(lambda _: seen.append(clock.now()))
    rx.of(1, 2).pipe(rxops.delay(1.5, scheduler=scheduler)).subscribe(lambda x: seen.append((x, clock.now())))
    run_until_idle(scheduler, clock)
    assert seen == [(1, 1_500_000_000), (2, 1_500_000_000), 2_000_000_000]


def test_work_scheduled_for_one_time_runs_in_order_and_disposed_work_does_not_run():
    clock = VirtualClock()
    scheduler = FlowScheduler("s", clock)
    seen = []
    for name in "abc":
        scheduler.schedule_relative(1.0, lambda _s, state: seen.append(state), name)
    scheduler.schedule_relative(timedelta(seconds=1), lambda *_: seen.append("never")).dispose()
    scheduler.schedule_absolute(scheduler.now + timedelta(seconds=3), lambda *_: seen.append(clock.now()))
    scheduler.schedule(lambda *_: seen.append("now"))
    run_until_idle(scheduler, clock)
    assert seen == ["now", "a", "b", "c", 3_000_000_000]


def test_a_periodic_action_keeps_its_period():
    clock = VirtualClock()
    scheduler = FlowScheduler("s", clock)
    seen = []

    def act(count):
        seen.append(clock.now() // 1_000_000_000)
        if count == 2:
            disposable.dispose()
        return count + 1

    disposable = scheduler.schedule_periodic(1.0, act, 0)
    run_until_idle(scheduler, clock)
    assert seen == [1, 2, 3]


def test_a_background_timer_keeps_nothing_alive():
    clock = VirtualClock()
    scheduler = FlowScheduler("s", clock)
    scheduler.at(5, lambda: None, is_background=True)
    run_until_idle(scheduler, clock)
    assert clock.now() == 0
    assert scheduler.is_quiet()


def test_a_cancelled_timer_does_not_fire():
    clock = VirtualClock()
    scheduler = FlowScheduler("s", clock)
    seen = []
    scheduler.at(5, lambda: seen.append(1)).cancel()
    run_until_idle(scheduler, clock)
    assert seen == []


@pytest.mark.parametrize("is_patient", [False, True])
@pytest.mark.parametrize("live", [0, 1, 1200])
def test_cancelled_timers_do_not_pile_up(live, is_patient):
    clock = VirtualClock()
    scheduler, fired, most = FlowScheduler("s", clock), [], 0
    for i in range(live):
        scheduler.at(5 + i, lambda i=i: fired.append(i), is_patient=is_patient)
    for i in range(20_000):
        scheduler.at(10**9 + i, lambda: fired.append("cancelled"), is_patient=is_patient).cancel()
        most = max(most, len(scheduler._timers))
    assert most <= 2 * max(1024, live) + 2
    run_until_idle(scheduler, clock)
    assert fired == list(range(live))


def test_a_timer_that_a_signal_sets_while_cancelled_ones_are_taken_out_is_not_lost():
    clock = VirtualClock()
    scheduler, fired = FlowScheduler("s", clock), []

    class Signals(list):
        """A heap in the middle of whose sweep a signal's handler sets timers."""

        def __setitem__(self, index, values):
            super().__setitem__(index, values)
            if isinstance(index, slice) and not fired:
                fired.append("handler")
                for when in (7, 3, 5):
                    scheduler.at(when, lambda when=when: fired.append(when))

    scheduler._timers._heap = Signals()
    scheduler.at(4, lambda: fired.append(4))
    for _ in range(1100):
        scheduler.at(10**9, lambda: None).cancel()
    run_until_idle(scheduler, clock)
    assert fired == ["handler", 3, 4, 5, 7]


def test_a_timer_that_is_always_due_leaves_the_rest_its_turns():
    scheduler, seen = FlowScheduler("s", MonotonicClock()), []

    def tick():
        seen.append("tick")
        scheduler.at(0, tick)

    scheduler.at(0, tick)
    scheduler.call(lambda: seen.append("a"))
    scheduler.call(lambda: seen.append("b"))
    for _ in range(6):
        scheduler.step()
    assert seen == ["tick", "a", "tick", "b", "tick", "tick"]


def test_in_virtual_time_a_timer_fires_when_nothing_else_is_left():
    scheduler, seen = FlowScheduler("s", VirtualClock()), []
    scheduler.at(0, lambda: seen.append("first"))
    scheduler.at(0, lambda: seen.append("second"))
    scheduler.call(lambda: scheduler.call(lambda: seen.append("called")))
    run_until_idle(scheduler, scheduler.clock)
    assert seen == ["called", "first", "second"]


def test_a_failing_action_is_told_and_the_rest_goes_on():
    clock = VirtualClock()
    scheduler = FlowScheduler("s", clock)
    failures, seen = [], []
    scheduler.on_failure = failures.append

    def fail():
        raise ValueError("boom")

    scheduler.call(fail)
    scheduler.call(lambda: seen.append(1))
    run_until_idle(scheduler, clock)
    assert ([str(f) for f in failures], seen) == (["boom"], [1])


def test_calls_from_other_threads_run_one_at_a_time():
    scheduler = FlowScheduler("s", MonotonicClock())
    inside, most, done = 0, 0, 0

    def work():
        nonlocal inside, most, done
        inside += 1
        most = max(most, inside)
        done += 1
        inside -= 1

    threads = [threading.Thread(target=lambda: [scheduler.call(work) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    drive(scheduler, lambda: done == 2000, lambda: None)
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_virtual_loop_sleeps_without_waiting():
    import asyncio

    clock = VirtualClock()

    async def sleep():
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(1))
        return clock.now()

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        assert abs(runner.run(sleep()) - 3600 * 10**9) < 1000


def open_files():
    return len(os.listdir("/dev/fd"))


@pytest.fixture(params=["lock", "event"])
def bell(request):
    if request.param == "event" and not hasattr(os, "eventfd"):
        pytest.skip("this system has no eventfd")
    made = _bell.LockBell() if request.param == "lock" else _bell.new_bell()
    assert type(made).__name__ == {"lock": "LockBell", "event": "EventBell"}[request.param]
    yield made
    made.close()


def test_stopped_while_its_driver_sleeps():
    scheduler = FlowScheduler("s", MonotonicClock())
    thread = threading.Thread(target=drive, args=(scheduler, lambda: False, lambda: None))
    thread.start()
    while not scheduler._is_asleep:
        pass
    scheduler.stop()
    thread.join()


def test_told_to_look_again_right_before_its_driver_sleeps():
    scheduler, looks = FlowScheduler("s", MonotonicClock()), []

    def is_done():
        looks.append(None)
        if len(looks) == 2:  # the last look before the sleep: what it does not see comes right behind it
            scheduler.kick()
        return len(looks) > 2

    drive(scheduler, is_done, lambda: None)
    assert len(looks) == 3


def test_a_timer_that_is_set_right_before_its_driver_sleeps_is_not_late():
    scheduler, fired = FlowScheduler("s", MonotonicClock()), []
    scheduler.at(scheduler.clock.now() + 3600 * 10**9, lambda: fired.append("late"))

    def set_it():
        if not fired:
            scheduler.at(scheduler.clock.now(), lambda: fired.append("at once"))

    drive(scheduler, lambda: bool(fired), set_it)
    assert fired == ["at once"]


def test_a_signal_may_come_while_the_thread_has_the_lock():
    scheduler, seen = FlowScheduler("s", MonotonicClock()), []
    with scheduler.lock:
        scheduler.call(lambda: seen.append("called"))
        scheduler.at(0, lambda: seen.append("due"))
        scheduler.stop()
    while scheduler.step() == 0:
        pass
    assert seen == ["due", "called"]


def test_a_signal_right_before_the_driver_sleeps_wakes_it():
    class Signalled(FlowScheduler):
        def is_idle(self):
            is_idle = super().is_idle()
            self.stop()  # the handler comes behind the look
            return is_idle

    scheduler = Signalled("s", MonotonicClock())
    scheduler.wait(None, scheduler.kicks)
    assert scheduler.is_stopped


class TestBell:
    def test_a_ring_before_the_wait_is_not_lost(self, bell):
        for timeout in (None, 60.0, 1e20):
            bell.ring()
            assert bell.wait(timeout)

    def test_a_wait_ends_with_its_time(self, bell):
        assert not bell.wait(0.0)
        assert not bell.wait(1e-4)
        bell.ring()
        assert bell.wait(0.0)
        assert not bell.wait(0.0)

    @pytest.mark.parametrize("timeout", [None, 60.0])
    def test_a_thread_that_waits_is_woken_each_time(self, bell, timeout):
        back, seen = threading.Semaphore(0), []

        def wait():
            for i in range(100):
                seen.append(bell.wait(timeout))
                back.release()

        thread = threading.Thread(target=wait)
        thread.start()
        for _ in range(100):
            bell.ring()
            back.acquire()
        thread.join()
        assert seen == [True] * 100

    def test_with_too_many_open_files_for_select_it_is_a_lock(self, monkeypatch):
        monkeypatch.setattr(_bell, "_MOST_FD", -1)
        before = open_files()
        assert isinstance(_bell.new_bell(), _bell.LockBell)
        assert open_files() == before

    def test_where_no_more_files_may_be_opened_it_is_a_lock(self, monkeypatch):
        def refuse(*_):
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr("os.eventfd", refuse, raising=False)
        assert isinstance(_bell.new_bell(), _bell.LockBell)

    def test_runs_leave_no_files_open(self):
        gc.collect()
        gc.disable()
        try:
            before = open_files()
            for _ in range(20):
                out = rxdag.wrap(range(100)).on("far").pipe(ops.map(str)).to(sinks.collect(), name="out")
                assert len(rxdag.run(out)["out"]) == 100
            assert list(rxdag.wrap(range(3)).on("far").pipe(ops.map(str))) == ["0", "1", "2"]
            assert open_files() == before
        finally:
            gc.enable()

    @pytest.mark.parametrize("is_rung", [False, True])
    def test_a_sleep_that_a_signal_breaks_off_can_be_slept_again(self, monkeypatch, is_rung):
        class Broken(_bell.LockBell):
            is_broken = False

            def wait(self, timeout_s):
                if self.is_broken:
                    return super().wait(timeout_s)
                self.is_broken = True
                if is_rung:
                    scheduler.call(lambda: seen.append("called"))
                raise KeyboardInterrupt

        monkeypatch.setattr("rxdag.engine.drivers._flow.new_bell", Broken)
        scheduler, seen = FlowScheduler("s", MonotonicClock()), []
        with pytest.raises(KeyboardInterrupt):
            scheduler.wait(60, scheduler.kicks)
        while scheduler.step() == 0:
            pass
        scheduler.wait(0, scheduler.kicks)  # does not take the ring of before for one
        scheduler.call(lambda: seen.append("again"))
        while scheduler.step() == 0:
            pass
        assert seen == (["called", "again"] if is_rung else ["again"])


class TestLoopDriver:
    async def test_a_timer_that_another_thread_sets_after_the_last_step_of_a_slice_is_not_lost(self):
        scheduler, fired = FlowScheduler("s", MonotonicClock()), []
        setting = threading.Thread(target=lambda: scheduler.at(scheduler.clock.now(), lambda: fired.append("timer")))

        def set_it():
            if not setting.ident:
                setting.start()
                setting.join()

        loop = asyncio.get_running_loop()
        driver = LoopDriver(scheduler, loop, lambda: bool(fired), set_it)
        driver.start()
        for _ in range(5):  # slices, one a turn of the loop
            await asyncio.sleep(0)
        assert fired == ["timer"]
        assert driver.done.done()

    async def test_that_nothing_wakes_has_no_slice(self):
        scheduler, looks = FlowScheduler("s", MonotonicClock()), []
        LoopDriver(scheduler, asyncio.get_running_loop(), lambda: False, lambda: looks.append(None)).start()
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(looks) == 1


class TestThreadDriver:
    def driver(self):
        return ThreadDriver(FlowScheduler("x", MonotonicClock()), lambda: True, lambda: None, lambda error: None)

    def test_one_that_was_not_started_is_not_waited_for(self):
        assert self.driver().join(10)

    def test_one_that_a_signal_kept_from_its_start_is_not_waited_for(self, monkeypatch):
        driver = self.driver()
        monkeypatch.setattr("rxdag.engine.drivers._drivers.BEGIN_S", 0.0)
        monkeypatch.setattr(driver.thread, "start", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            driver.start()
        assert driver.join(10)

    def test_one_that_ends_is_waited_for(self):
        driver = self.driver()
        driver.start()
        assert driver.join(10)
        assert not driver.thread.is_alive()
