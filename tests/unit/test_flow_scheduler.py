import threading
from datetime import timedelta

import reactivex as rx
from reactivex import operators as rxops

from rxdag.schedulers import FlowScheduler, MonotonicClock, VirtualClock, VirtualLoop, drive, drive_virtual


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
