"""Timers: struct timer_list on the hierarchical wheel, expiring in TIMER_SOFTIRQ."""

from __future__ import annotations

import gc
import math
import weakref

import pytest
from helpers import LONG, NEVER, Call, comms, eventually, noop, works_on

import bottomhalf as bh


class Counted:
    """A timer that counts its expiries and notes the jiffy of each."""

    def __init__(self, *, hold=False, then=None):
        self.runs = 0
        self.at = []
        self.go = not hold
        self.then = then
        self.ran = bh.Completion()
        self.timer = bh.Timer(self._callback)

    def _callback(self, timer):
        self.at.append(bh.current_machine().jiffies)
        self.runs += 1
        self.ran.complete()
        while not self.go:
            bh.cpu_relax()
        if self.then is not None:
            self.then(timer)


def wheel(clock, expires):
    """(level, jiffy at which the wheel fires): Linux's calc_wheel_index for HZ above 100."""
    delta = expires - clock
    if delta < 0:
        return 0, clock + 1
    level = next((n for n in range(9) if delta < 63 * 8**n), 8)
    if delta >= 1056964608:
        expires = clock + 1040187392
    step = 8**level
    return level, (expires // step + 1) * step


@pytest.mark.parametrize(
    ("expires", "level", "fires"),
    [(0, 0, 1), (10, 0, 11), (62, 0, 63), (63, 1, 64), (64, 1, 72), (503, 1, 504), (504, 2, 512), (5000, 3, 5120)],
)
def test_the_model_of_the_wheel(expires, level, fires):
    """The model that the tests below compare with holds Linux's own vectors."""
    assert wheel(0, expires) == (level, fires)


@pytest.mark.parametrize("delay", [0, 0.001, 0.01, 0.062, 0.063, 0.1, 0.504, 1, 4.032, 5, 60, 300, 5000])
def test_12_23_the_wheels_rounding(m, delay):
    """Late by design: the bucket of a timer is the wheel's, a 5 s delay at HZ 1000 falls up to 5.12 s later."""
    timer = bh.Timer(noop)
    tick = None
    # A tick may fall between the calls: then they are made once more.
    while tick != m.jiffies:
        tick = m.jiffies
        with m.trace() as trace:
            assert timer.mod(delay) is False
            timer.delete()
    started = [e for e in trace if e.name == "timer_start"]
    assert len(started) == 1
    fields = started[0].fields
    now, expires = int(fields["now"]), int(fields["expires"])
    assert now == tick
    assert expires - now == math.ceil(delay * m.hz - 1e-6)
    assert int(fields["bucket_expiry"]) == wheel(now, expires)[1]


@pytest.mark.parametrize("hz", [100, 250, 1000])
def test_12_23_never_early(boot, hz):
    """A timer with expires E fires when jiffies is E + 1 at the earliest, on any machine's HZ."""
    machine = boot(cpus=1, hz=hz)
    machine.activate()
    for ticks in (1, 5, 70):
        t = Counted()
        before = machine.jiffies
        t.timer.mod(ticks / hz)
        t.ran.wait(LONG)
        level = 0 if ticks < 63 else 1
        earliest = ((before + ticks) // 8**level + 1) * 8**level
        assert t.at[0] >= earliest
        t.timer.delete_sync(LONG)


def test_mod_and_pending(m):
    """mod_timer returns False when it arms an idle timer, True when it was pending; pending follows."""
    t = Counted()
    assert t.timer.pending is False
    assert t.timer.mod(NEVER) is False
    assert t.timer.pending is True
    assert t.timer.mod(NEVER) is True
    assert t.timer.mod(2 * NEVER) is True
    assert t.timer.delete() is True
    assert t.timer.pending is False
    assert t.timer.delete() is False
    assert t.timer.delete_sync(LONG) is False
    assert t.runs == 0


def test_mod_timer_pending(m):
    """mod_timer_pending re-arms only a pending timer."""
    t = Counted()
    assert t.timer.mod_pending(0) is False
    assert t.timer.pending is False
    t.timer.mod(NEVER)
    assert t.timer.mod_pending(0.001) is True
    t.ran.wait(LONG)
    assert t.timer.delete_sync(LONG) is False
    assert t.runs == 1


def test_timer_reduce(m):
    """timer_reduce arms, or moves earlier, never later."""
    t = Counted()
    assert t.timer.reduce(NEVER) is False
    assert t.timer.reduce(0.005) is True
    assert t.timer.reduce(NEVER) is True
    t.ran.wait(LONG)
    t.timer.delete_sync(LONG)
    assert t.runs == 1


def test_mod_to_now_fires_at_the_next_tick(m):
    """An expiry of now or past returns False and fires at the next tick."""
    t = Counted()
    before = m.jiffies
    assert t.timer.mod(0) is False
    t.ran.wait(LONG)
    assert t.at[0] > before


def test_not_pending_in_its_own_callback(m):
    """The timer is detached before the callback, which may arm it again or delete it."""
    seen = []

    def then(timer):
        seen.append((timer.pending, timer.delete()))
        if len(seen) < 3:
            seen[-1] += (timer.mod(0.001),)

    t = Counted(then=then)
    t.timer.mod(0.001)
    for _ in range(3):
        t.ran.wait(LONG)
    t.timer.delete_sync(LONG)
    assert seen == [(False, False, False), (False, False, False), (False, False)]


def test_12_23_one_bucket_is_last_in_first_out(boot):
    """Timers in one bucket fire in reverse order of arming; buckets fire in time order."""
    machine = boot(cpus=1, hz=100, name="slow")
    order = []
    done = bh.Completion()

    def callback(name):
        def fire(_):
            order.append(name)
            done.complete()

        return fire

    machine.activate()
    timers = [bh.Timer(callback(n)) for n in range(8)]
    with machine.trace() as trace:
        for n, timer in enumerate(timers):
            timer.mod(0.05 if n % 2 else 0.1)
        for _ in timers:
            done.wait(LONG)
    buckets = [int(e.fields["bucket_expiry"]) for e in trace if e.name == "timer_start"][: len(timers)]
    expected = sorted(range(8), key=lambda n: (buckets[n], -n))
    assert order == expected


def test_timers_fire_in_time_order(m):
    """Different jiffies fire in time order, whatever the order of arming."""
    order = []
    done = bh.Completion()
    timers = {n: bh.Timer(lambda _, n=n: (order.append(n), done.complete())) for n in (30, 10, 20, 40)}
    for n, timer in timers.items():
        timer.mod(n / 1000)
    for _ in timers:
        done.wait(LONG)
    assert order == [10, 20, 30, 40]


def test_delete_sync_waits_for_the_callback(m):
    """timer_delete does not wait for a running callback, timer_delete_sync does; False as nothing was pending."""
    t = Counted(hold=True)
    with m.on_cpu(1):
        t.timer.mod(0)
    t.ran.wait(LONG)
    assert t.timer.delete() is False
    call = blocked_or_spinning(t.timer.delete_sync)
    t.go = True
    assert call.result() is False


def blocked_or_spinning(fn):
    """The wait for a callback may spin, as in Linux: it only must not return."""
    call = Call(fn).settle(patience=0.2)
    assert not call.done
    return call


def test_delete_sync_takes_a_rearmed_timer_away(m):
    """A timer that re-arms itself is stopped for good by delete_sync."""
    t = Counted(then=lambda timer: timer.mod(0.001))
    t.timer.mod(0)
    for _ in range(3):
        t.ran.wait(LONG)
    t.timer.delete_sync(LONG)
    runs = t.runs
    later = Counted()
    later.timer.mod(0.01)
    later.ran.wait(LONG)
    assert t.runs == runs and not t.timer.pending


def test_delete_sync_from_its_own_callback_is_refused(m):
    """It would wait for itself."""
    caught = []

    def then(timer):
        try:
            timer.delete_sync()
        except bh.BottomHalfError as error:
            caught.append(error)

    t = Counted(then=then)
    t.timer.mod(0)
    eventually(lambda: caught)
    works_on(m)


def test_shutdown_sync_is_final(m):
    """timer_shutdown_sync: True if it was pending; every later arming returns False and does nothing."""
    t = Counted()
    t.timer.mod(NEVER)
    assert t.timer.shutdown_sync(LONG) is True
    assert t.timer.shutdown_sync(LONG) is False
    assert t.timer.mod(0) is False
    assert t.timer.reduce(0) is False
    assert t.timer.mod_pending(0) is False
    assert t.timer.pending is False
    later = Counted()
    later.timer.mod(0.005)
    later.ran.wait(LONG)
    assert t.runs == 0


def test_callbacks_run_in_softirq_and_hand_over_to_work(m):
    """The callback is atomic; what must sleep it queues."""
    seen = []
    work = bh.Work(lambda _: seen.append(bh.in_task()))
    t = Counted(then=lambda _: (seen.append(bh.in_serving_softirq()), m.system_wq.queue(work), seen.append("queued")))
    t.timer.mod(0)
    eventually(lambda: len(seen) == 3)
    assert seen[0] is True and True in seen[1:]
    if not m.simulated:  # there an interrupt serves it on the way out
        assert "ksoftirqd/0" in comms() or "ksoftirqd/1" in comms()


@pytest.mark.parametrize("delay", [-1, float("nan"), "1", None])
def test_bad_delays(m, delay):
    """A delay is a number that is not negative; the timer stays idle."""
    timer = bh.Timer(noop)
    for call in (timer.mod, timer.mod_pending, timer.reduce):
        with pytest.raises((ValueError, TypeError)):
            call(delay)
    assert not timer.pending


@pytest.mark.parametrize("func", [None, lambda: None, lambda a, b: None], ids=["None", "none", "two"])
def test_a_callback_takes_the_timer(func):
    """What cannot be called with the timer is refused when it is made."""
    with pytest.raises(TypeError):
        bh.Timer(func)


def test_deferrable(m):
    """TIMER_DEFERRABLE does not wake an idle CPU; on a busy one it fires like any other."""
    timer = bh.Timer(noop, deferrable=True)
    assert timer.mod(NEVER) is False
    assert timer.delete() is True


def test_an_exception_in_a_callback(m, unraisable):
    """The exception is reported; the timer can be armed again."""

    def then(_):
        raise LookupError

    t = Counted(then=then)
    for n in (1, 2):
        t.timer.mod(0)
        eventually(lambda n=n: len(m.errors) == n)
    works_on(m)


def test_lifetime(m):
    """An armed timer is kept alive; an idle one goes with its last reference."""
    timer = bh.Timer(noop)
    ref = weakref.ref(timer)
    timer.mod(NEVER)
    del timer
    gc.collect()
    assert ref() is not None
    ref().delete()
    gc.collect()
    assert ref() is None


def test_halt_stops_armed_timers(boot):
    """An armed timer does not keep a machine from halting; it is named in the log."""
    machine = boot(cpus=1)
    machine.activate()
    t = Counted()
    t.timer.mod(NEVER)
    machine.halt(timeout=LONG)
    assert t.runs == 0 and not t.timer.pending
    assert len(machine.log) > 0


def test_many_timers(m):
    """Ten thousand timers armed, modified and deleted, each answering for itself."""
    timers = [bh.Timer(noop) for _ in range(10_000)]
    assert not any(timer.mod(10 + n % 1000) for n, timer in enumerate(timers))
    assert all(timer.mod(NEVER) for timer in timers)
    assert all(timer.delete() for timer in timers)
    assert not any(timer.pending for timer in timers)


def test_jiffies_and_now(m, substrate):
    """jiffies follow HZ and time since boot."""
    before, seconds = m.jiffies, m.now
    eventually(lambda: m.jiffies >= before + 5)
    assert m.now > seconds and m.now_ns > 0
    assert m.hz == 1000 and m.cpus == 2 and m.simulated is (substrate == "simulated")
