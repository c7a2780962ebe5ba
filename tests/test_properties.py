"""A Hypothesis state machine over queue, delay, modify, cancel, flush, disable and enable, against a small model.

Handlers stand at gates, so every state is held until a rule lets a run end: the machine is deterministic although its
threads are real. After every rule the engine must agree with the model on pending, busy and the number of runs.

On a simulated machine Hypothesis draws the schedule too: a failure shrinks to a small program and a small interleaving.
"""

from __future__ import annotations

import helpers
import pytest
from helpers import LONG, NEVER, Call, Item, eventually
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import bottomhalf as bh
from bottomhalf import testing

ITEMS = 4
LIMITS = (1, 2)  # max_active of the two workqueues
items = st.integers(0, ITEMS - 1)


class Domain:
    """Model of a workqueue as seen from one CPU: how many count as active, who is held back."""

    def __init__(self, limit):
        self.limit, self.active, self.inactive = limit, 0, []

    def enter(self, item):
        """Queues: counted at once, or behind those held back."""
        if self.active < self.limit and not self.inactive:
            self.activate(item)
        else:
            self.inactive.append(item)
            item.state = "inactive"

    def activate(self, item):
        self.active += 1
        item.state = "active"
        if not item.running:
            item.start()

    def leave(self):
        """One that counted is gone; the first held back take its place."""
        self.active -= 1
        while self.inactive and self.active < self.limit:
            self.activate(self.inactive.pop(0))


class Model:
    """Model of an item."""

    def __init__(self, domain):
        self.domain, self.state, self.running, self.runs, self.depth = domain, None, False, 0, 0

    @property
    def pending(self):
        return self.state is not None

    @property
    def busy(self):
        return int(self.pending) | 2 * int(self.running)

    def start(self):
        self.state, self.running, self.runs = None, True, self.runs + 1

    def grab(self):
        """Takes away what is pending; whether there was something."""
        state, self.state = self.state, None
        if state == "inactive":
            self.domain.inactive.remove(self)
        elif state == "active":
            self.domain.leave()
        return state is not None

    def end(self):
        """The run ends; a requeued instance that counts starts next, before those that were held back."""
        self.running = False
        again = self.state == "active"
        self.domain.active -= 1
        if again:
            self.start()
        while self.domain.inactive and self.domain.active < self.domain.limit:
            self.domain.activate(self.domain.inactive.pop(0))

    def queue(self):
        if self.pending or self.depth:
            return False
        self.domain.enter(self)
        return True

    def arm(self):
        if self.pending or self.depth:
            return False
        self.state = "timer"
        return True

    def modify(self, delay):
        if self.depth:
            return False
        was = self.grab()
        if delay:
            self.state = "timer"
        else:
            self.domain.enter(self)
        return was


class WorkMachine(RuleBasedStateMachine):
    def boot(self, **options):
        """What an example begins with."""
        self.m = bh.Machine(cpus=2, name="property", **options)
        self.m.activate()
        helpers.MACHINES.append(self.m)
        self.wqs = [self.m.alloc_workqueue(f"limit{n}", bh.WQ(0), n) for n in LIMITS]
        domains = [Domain(limit) for limit in LIMITS]
        self.items = [Item(bh.DelayedWork, name=f"item{n}") for n in range(ITEMS)]
        self.models = [Model(domains[n % len(LIMITS)]) for n in range(ITEMS)]

    def wq(self, n):
        return self.wqs[n % len(LIMITS)]

    def teardown(self):
        try:
            for item in self.items:
                item.work.cancel()
                item.open()
            for wq in self.wqs:
                wq.destroy(LONG)
        finally:
            self.m.halt(pending="cancel", timeout=LONG)
            helpers.MACHINES.remove(self.m)

    @rule(n=items)
    def queue(self, n):
        expected = self.models[n].queue()
        assert self.wq(n).queue(self.items[n].work, cpu=1) is expected

    @rule(n=items, delay=st.sampled_from([0, NEVER]))
    def queue_delayed(self, n, delay):
        expected = self.models[n].arm() if delay else self.models[n].queue()
        assert self.wq(n).queue_delayed(self.items[n].work, delay, cpu=1) is expected

    @rule(n=items, delay=st.sampled_from([0, NEVER]))
    def mod_delayed(self, n, delay):
        expected = self.models[n].modify(delay)
        assert self.wq(n).mod_delayed(self.items[n].work, delay, cpu=1) is expected

    @rule(n=items)
    def cancel(self, n):
        expected = self.models[n].grab()
        assert self.items[n].work.cancel() is expected

    @rule(n=items)
    def disable(self, n):
        expected = self.models[n].grab()
        self.models[n].depth += 1
        assert self.items[n].work.disable() is expected

    @rule(n=items)
    def enable(self, n):
        model = self.models[n]
        if model.depth:
            model.depth -= 1
            assert self.items[n].work.enable() is (model.depth == 0)
        else:
            with pytest.raises(bh.UnbalancedEnable):
                self.items[n].work.enable()

    @rule(n=items)
    def end_one_run(self, n):
        if self.models[n].running:
            self.models[n].end()
            self.items[n].step()

    def ends_with(self, n, call):
        """A waiting call on a running item: it must not return before the run was let go."""
        waiter = Call(call, machine=self.m).settle()
        assert not waiter.done
        return waiter

    @rule(n=items)
    def cancel_sync(self, n):
        self.cancel_and_wait(n, self.items[n].work.cancel_sync)

    @rule(n=items)
    def disable_sync(self, n):
        self.cancel_and_wait(n, self.items[n].work.disable_sync)
        self.models[n].depth += 1

    def cancel_and_wait(self, n, call):
        model = self.models[n]
        expected = model.grab()
        if not model.running:
            assert call() is expected
            return
        waiter = self.ends_with(n, call)
        assert self.wq(n).queue(self.items[n].work, cpu=1) is False
        model.end()
        self.items[n].step()
        assert waiter.result() is expected

    @precondition(lambda self: any(model.state != "inactive" for model in self.models))
    @rule(n=items, delayed=st.booleans())
    def flush(self, n, delayed):
        model, work = self.models[n], self.items[n].work
        if model.state == "inactive":
            return
        call = work.flush if delayed else work.flush_work
        if delayed and model.state == "timer":
            free = model.domain.active < model.domain.limit and not model.domain.inactive
            if not free:
                return
            model.grab()
            model.domain.enter(model)
        if not model.running:
            assert call() is False
            return
        waiter = self.ends_with(n, call)
        for _ in range(2 if model.state == "active" else 1):
            model.end()
            self.items[n].step()
        assert waiter.result() is True

    @invariant()
    def agrees(self):
        for n, (item, model) in enumerate(zip(self.items, self.models, strict=True)):
            eventually(
                lambda item=item, model=model: (
                    item.runs == model.runs and item.work.busy == model.busy and item.work.pending == model.pending
                ),
                f"item{n}: runs {model.runs}, busy {model.busy}, {model.state}",
                timeout=LONG / 3,
            )


class HostWorkMachine(WorkMachine):
    @initialize()
    def on_threads(self):
        """Real threads, scheduled by the system."""
        self.boot()


class SimulatedWorkMachine(WorkMachine):
    @initialize(schedule=testing.schedules(points=4, horizon=150))
    def on_a_schedule(self, schedule):
        """One thread, scheduled by Hypothesis."""
        self.boot(simulated=True, schedule=schedule)


def case(machine, examples, steps):
    """The test of a state machine."""
    test = machine.TestCase
    test.settings = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
    )
    test.pytestmark = pytest.mark.watchdog(600)
    return test


TestHostWorkMachine = case(HostWorkMachine, 25, 30)
TestSimulatedWorkMachine = case(SimulatedWorkMachine, 100, 50)
