"""Forward progress when no worker can be created: rescuers, maydays and the limit of worker threads (2.2, 2.8)."""

from __future__ import annotations

import pytest
from helpers import LONG, Item, eventually, log_text, python, task_names, works_on

import bottomhalf as bh
from bottomhalf import linux

pytestmark = pytest.mark.usefixtures("substrate")


class Short:
    """A machine with one CPU whose pool has run out of workers: the one that is there is inside `holder`."""

    def __init__(self, boot, flags=0, **options):
        self.m = boot(cpus=1, **options)
        self.m.activate()
        self.reclaim = self.m.alloc_workqueue("writeback", bh.WQ.MEM_RECLAIM | flags)
        self.plain = self.m.alloc_workqueue("plain", flags)
        self.m.thread_limit = 0
        self.holder = Item()
        self.plain.queue(self.holder.work)
        self.holder.wait_started()

    def relieve(self):
        """Workers may be created again, and the holder ends."""
        self.m.thread_limit = None
        self.holder.open()
        self.holder.work.flush(LONG)
        works_on(self.m)


@pytest.fixture(params=[0, bh.WQ.HIGHPRI, bh.WQ.UNBOUND], ids=["percpu", "highpri", "unbound"])
def short(boot, request):
    """Of each kind of pool that has workers."""
    state = Short(boot, request.param)
    yield state
    state.relieve()


def test_12_18_rescuer_for_its_own_items_only(short):
    """12/18: 10 ms after a worker was refused the rescuer runs its own workqueue's items, and no others."""
    m, other = short.m, Item(gated=False)
    begun = m.now
    ran = []

    def handler(_work):
        ran.append((m.now, bh.current_task().name, linux.current_is_workqueue_rescuer(), bh.smp_processor_id()))

    works = [bh.Work(handler) for _ in range(40)]
    short.plain.queue(other.work)
    for work in works:
        short.reclaim.queue(work)
    for work in works:
        work.flush(LONG)
    assert {run[1:] for run in ran} == {("kworker/R-writeback", True, 0)}
    assert len(ran) == len(works)
    assert ran[0][0] - begun >= 0.009
    if m.simulated:
        assert ran[0][0] - begun <= 0.012
    stats = short.reclaim.stats()
    assert stats.mayday >= 1
    assert (stats.rescued, stats.started, stats.completed) == (len(works),) * 3
    assert other.runs == 0
    assert short.plain.stats().mayday == short.plain.stats().rescued == 0
    short.relieve()
    other.work.flush(LONG)
    assert other.runs == 1
    assert not linux.current_is_workqueue_rescuer()


def test_what_it_starts_with_is_kept_in_order(short):
    """Items of one workqueue that a rescuer runs start in the order in which they were queued, one at a time."""
    order = []
    works = [bh.Work(lambda _, number=number: order.append(number)) for number in range(50)]
    for work in works:
        short.reclaim.queue(work)
    short.reclaim.flush(LONG)
    assert order == list(range(50))


def test_an_item_that_sleeps_in_the_rescuer(short):
    """The rescuer waits as any task does, and goes on with the next item afterwards."""
    first, second = Item(), Item(gated=False)
    short.reclaim.queue(first.work)
    short.reclaim.queue(second.work)
    first.wait_started()
    assert second.runs == 0
    assert "(RESCUER):" in short.m.show_all_workqueues()
    first.open()
    second.work.flush(LONG)
    assert second.runs == 1


def test_two_workqueues_are_rescued_side_by_side(short):
    """Each has a rescuer of its own: one that waits does not keep the other from its items."""
    second = short.m.alloc_workqueue("swap", bh.WQ.MEM_RECLAIM | (short.reclaim.flags & ~bh.WQ.MEM_RECLAIM))
    held, free = Item(), Item(gated=False)
    short.reclaim.queue(held.work)
    held.wait_started()
    second.queue(free.work)
    free.work.flush(LONG)
    assert second.stats().rescued == 1
    held.open()
    held.work.flush(LONG)


def test_cancel_and_requeue_in_the_rescuer(short):
    """An item may requeue itself there, and be cancelled like anywhere else."""
    rounds = []

    def again(work):
        rounds.append(linux.current_is_workqueue_rescuer())
        if len(rounds) < 5:
            short.reclaim.queue(work)

    work = bh.Work(again)
    short.reclaim.queue(work)
    eventually(lambda: len(rounds) == 5)
    work.flush(LONG)
    assert all(rounds)
    late = Item(gated=False)
    short.reclaim.queue(late.work)
    assert late.work.cancel_sync(LONG) is True
    assert late.runs == 0


def test_the_last_free_worker_waits_for_a_spare(boot):
    """With a worker asleep and one free that cannot create a spare, nothing starts but by rescuers (2.2)."""
    m = boot(cpus=1)
    m.activate()
    first = Item()
    m.system_wq.queue(first.work)  # makes the spare
    first.wait_started()
    eventually(lambda: {"kworker/0:0", "kworker/0:1"} <= {task.name for task in m.tasks()})
    reclaim = m.alloc_workqueue("writeback", bh.WQ.MEM_RECLAIM)
    m.thread_limit = 0
    plain, urgent = Item(gated=False), Item(gated=False)
    m.system_wq.queue(plain.work)
    reclaim.queue(urgent.work)
    urgent.work.flush(LONG)
    assert (plain.runs, reclaim.stats().rescued) == (0, 1)
    assert "Failed to create a worker thread: the machine has as many as its thread_limit" in log_text(m)
    m.thread_limit = None
    plain.work.flush(LONG)
    first.open()
    first.work.flush(LONG)
    works_on(m)


def test_who_comes_back_takes_over(boot):
    """A worker whose item ends goes on with what waits, though no spare can be created."""
    state = Short(boot)
    behind = [Item(gated=False) for _ in range(3)]
    for item in behind:
        state.plain.queue(item.work)
    state.holder.open()
    for item in behind:
        item.work.flush(LONG)
    assert [item.runs for item in behind] == [1, 1, 1]
    state.relieve()


def test_thread_limit(boot):
    """None at first; what is wrong is named and changes nothing."""
    m = boot(cpus=1)
    assert m.thread_limit is None
    m.thread_limit = 7
    assert m.thread_limit == 7
    with pytest.raises(ValueError, match="thread_limit=-1 is negative: from 0, or None for no limit"):
        m.thread_limit = -1
    with pytest.raises(TypeError):
        m.thread_limit = "many"
    assert m.thread_limit == 7
    m.thread_limit = None
    assert m.thread_limit is None


def test_the_rescuer_goes_with_its_workqueue(boot):
    """It is there from the workqueue's start, and gone after its end; others have none."""
    m = boot(cpus=1)
    with m.alloc_workqueue("writeback", bh.WQ.MEM_RECLAIM), m.alloc_workqueue("plain"):
        # A thread gives itself its name.
        name = "kworker/R-writeback"[: 31 if m.simulated else 15]
        eventually(lambda: [task for task in task_names(m) if task.startswith("kworker/R-")] == [name])
    # The system lists a thread that was joined for a moment longer.
    eventually(lambda: not [name for name in task_names(m) if name.startswith("kworker/R-")])


def test_halting_in_distress(boot):
    """A machine that is short of workers halts as any other: what waits is cancelled, and no task is left."""
    state = Short(boot)
    waiting = [Item(gated=False) for _ in range(3)]
    for item in waiting:
        state.plain.queue(item.work)
    state.m.halt("cancel")
    assert [item.runs for item in waiting] == [0, 0, 0]


@pytest.mark.host("the system refuses threads")
def test_threads_that_the_system_refuses(substrate):
    """The same with a real limit: RLIMIT_NPROC, where it applies to this user."""
    done = python(
        "import os, resource\n"
        "import bottomhalf as bh\n"
        "if os.geteuid() == 0:\n"
        "    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "m = bh.Machine(cpus=1); m.activate()\n"
        "reclaim = m.alloc_workqueue('writeback', bh.WQ.MEM_RECLAIM)\n"
        "gate, started, ran = bh.Completion(), bh.Completion(), []\n"
        "hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NPROC, (0, hard))\n"
        "holder = bh.Work(lambda w: (started.complete(), gate.wait()))\n"
        "m.system_wq.queue(holder); started.wait(20)\n"
        "urgent = bh.Work(lambda w: ran.append(bh.current_task().name))\n"
        "reclaim.queue(urgent); urgent.flush(20)\n"
        "plain = bh.Work(lambda w: ran.append('plain'))\n"
        "m.system_wq.queue(plain)\n"
        "resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))\n"
        "plain.flush(20)\n"
        "print(ran, reclaim.stats().rescued, 'Failed to create' in str(m.log))\n"
        "gate.complete_all(); holder.flush(20); m.halt()\n"
    )
    assert done.stdout == "['kworker/R-writeback', 'plain'] 1 True\n"
