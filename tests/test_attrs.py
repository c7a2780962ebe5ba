"""Unbound workqueues: attributes, pods, limits by node, and changes while items are on their way (Linux: 2.13, 3.3)."""

from __future__ import annotations

import os

import pytest
from helpers import LONG, Item, blocked, eventually, held_item, noop, run_in_work, works_on

import bottomhalf as bh

SCOPES = ("cpu", "smt", "cache", "numa", "system")
RYZEN = bh.Topology(nodes=2, llcs=4, cores=12, smt=2)
PAIRS = bh.Topology(nodes=2, llcs=2, cores=4, smt=1)  # of the worked example of SEMANTICS 3.3


@pytest.fixture
def pairs(boot):
    """Four CPUs, two nodes, a cache for each pair."""
    m = boot(topology=PAIRS)
    with m:
        m.sleep(0.001)  # the first workers have gone to sleep
        yield m


def start_all(items, wq, cpu=None):
    """Queues gated items; a list of those that start."""
    for item in items:
        assert wq.queue(item.work, cpu=cpu)


def running(items):
    return sum(item.runs - item.ends for item in items)


def let_go(items):
    for item in items:
        item.open()
    for item in items:
        item.work.flush(LONG)


# --- topologies ---


def test_topology():
    """Totals, divided evenly; the number of CPUs follows."""
    assert RYZEN.cpus == 24
    assert bh.Topology() == bh.Topology(nodes=1, llcs=1, cores=4, smt=1)
    with pytest.raises(ValueError, match="llcs=1"):
        bh.Topology(nodes=2, llcs=1)
    with pytest.raises(ValueError, match="smt=0"):
        bh.Topology(smt=0)
    with pytest.raises(TypeError, match="cores"):
        bh.Topology(cores=1.5)
    with pytest.raises(ValueError, match="1024"):
        bh.Topology(cores=1024, smt=2)


@pytest.mark.simulated("a given topology")
def test_pods(boot):
    """The pods of each scope of a machine of 24 CPUs."""
    m = boot(topology=RYZEN)
    assert m.cpus == 24 and m.topology is RYZEN
    assert [len(m.pods(scope)) for scope in SCOPES] == [24, 12, 4, 2, 1]
    assert m.pods("smt")[1] == (2, 3)
    assert m.pods("cache")[0] == tuple(range(6))
    assert m.pods("numa")[1] == tuple(range(12, 24))
    assert m.pods("default") == m.pods("cache")
    with pytest.raises(ValueError, match="affinity_scope"):
        m.pods("socket")


@pytest.mark.simulated("a given topology")
def test_topology_and_cpus(boot):
    """The topology says how many CPUs; another number is refused."""
    assert boot(cpus=4, topology=PAIRS).cpus == 4
    with pytest.raises(ValueError, match="cpus=3"):
        bh.Machine(cpus=3, topology=PAIRS, simulated=True)
    with pytest.raises(TypeError, match="topology"):
        bh.Machine(topology="2n", simulated=True)
    with pytest.raises(ValueError, match="simulated"):
        bh.Machine(topology=PAIRS)


@pytest.mark.host("the system's topology")
def test_topology_of_the_host(m):
    """Each scope divides the host's CPUs, each finer one those of the coarser."""
    pods = [m.pods(scope) for scope in SCOPES]
    for scope in pods:
        assert sorted(cpu for pod in scope for cpu in pod) == list(range(m.cpus))
    assert [len(scope) for scope in pods] == sorted((len(scope) for scope in pods), reverse=True)
    assert m.topology is None


@pytest.mark.simulated("a given topology")
def test_replay_strings_carry_the_topology():
    """A run on a topology is replayed on it."""

    def program(machine):
        assert machine.cpus == 4 and len(machine.pods("numa")) == 2
        seen = []
        wq = machine.alloc_workqueue("u", bh.WQ.UNBOUND)
        for cpu in (0, 3):
            wq.queue(bh.Work(lambda w: seen.append(bh.smp_processor_id())), cpu=cpu)
        machine.sleep(0.001)
        assert seen[0] > 100, "always fails"

    report = bh.explore(program, topology=PAIRS, schedules=3)
    assert report.failed and ":4:1000:2n2l4c1t:" in report.replay
    with pytest.raises(AssertionError, match="always fails"):
        bh.replay(program, report.replay)


# --- SEMANTICS 3.3 ---


@pytest.mark.simulated("a given topology")
def test_worked_example_of_3_3(pairs):
    """The documented example: 4 CPUs, 2 nodes, pairs that share a cache; pools as Linux numbers them since 6.9."""
    m = pairs
    assert m.pods("cpu") == m.pods("smt") == [(0,), (1,), (2,), (3,)]
    assert m.pods("cache") == m.pods("numa") == [(0, 1), (2, 3)]
    assert m.pods("system") == [(0, 1, 2, 3)]
    # Four pools a CPU: BH, BH high, normal, high.
    assert m.system_wq.pools == (2, 6, 10, 14)
    assert m.system_highpri_wq.pools == (3, 7, 11, 15)
    # Then the unbound ones: of the whole mask first, then the pods'.
    assert m.system_unbound_wq.pools == (17, 17, 18, 18)
    netns = m.alloc_ordered_workqueue("netns")
    assert netns.pools == (16, 16, 16, 16)
    high = m.alloc_workqueue("high", bh.WQ.UNBOUND | bh.WQ.HIGHPRI)
    first = high.pools[0]
    assert high.pools == (first, first, first + 1, first + 1) and high.nice == -20
    assert m.alloc_ordered_workqueue("high2", bh.WQ.HIGHPRI).pools == (first - 1,) * 4
    # Shared by all of equal attributes.
    assert m.alloc_workqueue("more", bh.WQ.UNBOUND).pools == (17, 17, 18, 18)
    whole = m.alloc_workqueue("whole", bh.WQ.UNBOUND)
    whole.affinity_scope = "system"
    assert whole.pools == (16, 16, 16, 16)
    single = m.alloc_workqueue("single", bh.WQ.UNBOUND)
    single.affinity_scope = "smt"
    assert len(set(single.pools)) == 4
    again = m.alloc_workqueue("again", bh.WQ.UNBOUND)
    again.affinity_scope = "cpu"
    assert again.pools == single.pools


# --- attributes ---


def test_attributes_of_every_kind(m):
    """What a workqueue's attributes are, unbound or not."""
    unbound = m.alloc_workqueue("u", bh.WQ.UNBOUND)
    assert unbound.attrs == bh.WorkqueueAttrs(0, {0, 1}, "cache", False)
    assert (unbound.nice, unbound.cpumask, unbound.affinity_scope) == (0, {0, 1}, "cache")
    assert unbound.affinity_strict is False and not unbound.per_cpu
    assert m.system_wq.attrs == bh.WorkqueueAttrs(0, {0, 1}, "cpu", True) and m.system_wq.per_cpu
    assert m.system_managed_wq.affinity_scope == "system" and not m.system_managed_wq.per_cpu
    assert "affinity_scope='cache'" in repr(unbound.attrs)


def test_attributes_that_are_refused(m):
    """Bad values are named, and nothing changes; only unbound workqueues have attributes to set."""
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND)
    before = wq.attrs
    for attrs, error in (
        (bh.WorkqueueAttrs(nice=20), "nice=20"),
        (bh.WorkqueueAttrs(cpumask={2}), "cpumask"),
        (bh.WorkqueueAttrs(cpumask=()), "cpumask"),
        (bh.WorkqueueAttrs(affinity_scope="socket"), "affinity_scope"),
    ):
        with pytest.raises(ValueError, match=error):
            wq.attrs = attrs
    with pytest.raises(TypeError, match="attrs"):
        wq.attrs = {"nice": 1}
    with pytest.raises(TypeError, match="nice"):
        wq.nice = "high"
    assert wq.attrs == before
    for other in (m.system_wq, m.system_bh_wq, m.system_managed_wq):
        with pytest.raises(bh.MisuseError) as caught:
            other.attrs = bh.WorkqueueAttrs(nice=0)
        assert caught.value.rule == "attrs-fixed"
    wq.destroy()
    with pytest.raises(bh.WorkqueueDestroyed):
        wq.attrs = bh.WorkqueueAttrs(nice=1)


def test_nice(m):
    """Workers of another nice level are those of another pool."""
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND)
    before = wq.pools
    wq.nice = 5
    assert wq.nice == 5 and not set(wq.pools) & set(before)
    name = run_in_work(wq, lambda: bh.current_task().name)
    assert int(name[len("kworker/u") :].split(":")[0]) in wq.pools


@pytest.mark.host("real threads have an affinity")
def test_cpumask_on_the_host(m):
    """The workers' threads keep to the mask, as far as the process may use it."""
    mine = os.sched_getaffinity(0)
    if not {0, 1} <= mine:
        pytest.skip("this process may not use CPUs 0 and 1")
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND)
    wq.cpumask = {1}
    assert run_in_work(wq, lambda: os.sched_getaffinity(0)) == {1}
    wq.cpumask = None
    assert run_in_work(wq, lambda: os.sched_getaffinity(0)) == mine


@pytest.mark.simulated("virtual CPUs")
def test_cpumask(boot):
    """Items run on the CPUs of the mask only."""
    m = boot(topology=RYZEN)
    with m:
        wq = m.alloc_workqueue("u", bh.WQ.UNBOUND)
        wq.cpumask = {3, 4, 20}
        cpus = set()

        def look(work):
            bh.burn(0.001)
            cpus.add(bh.smp_processor_id())

        works = [bh.Work(look) for _ in range(30)]
        for i, work in enumerate(works):
            wq.queue(work, cpu=i % 24)
        wq.flush()
        assert cpus == {3, 4, 20}


@pytest.mark.simulated("virtual CPUs")
@pytest.mark.parametrize("scope", SCOPES)
def test_strict_scopes_stay_in_their_pod(boot, scope):
    """Strict: items queued on a CPU run in its pod, however many there are."""
    m = boot(topology=RYZEN)
    with m:
        wq = m.alloc_workqueue("u", bh.WQ.UNBOUND)
        wq.attrs = bh.WorkqueueAttrs(affinity_scope=scope, affinity_strict=True)
        pod = next(p for p in m.pods(scope) if 13 in p)
        cpus = set()

        def look(work):
            bh.burn(0.002)
            cpus.add(bh.smp_processor_id())

        for _ in range(40):
            wq.queue(bh.Work(look), cpu=13)
        wq.flush()
        assert cpus == set(pod)
        assert wq.stats().repatriated == 0


@pytest.mark.simulated("virtual CPUs")
def test_loose_scopes_leave_their_pod_and_come_back(pairs):
    """Not strict: items run in the pod while there is room, elsewhere when not; then workers are brought back."""
    m = pairs
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND)

    def look(work):
        bh.burn(0.005)
        cpus.append(bh.smp_processor_id())

    cpus = []
    works = [bh.Work(look) for _ in range(2)]
    for work in works:
        wq.queue(work, cpu=2)
    wq.flush()
    assert set(cpus) == {2, 3}
    cpus = []
    works = [bh.Work(look) for _ in range(4)]
    for work in works:
        wq.queue(work, cpu=2)
    wq.flush()
    assert len(set(cpus)) > 2
    for _ in range(4):
        m.sleep(0.001)  # who is still awake takes the next item where it is
        cpus = []
        for work in works[:2]:
            wq.queue(work, cpu=2)
        wq.flush()
        assert set(cpus) <= {2, 3}
    assert wq.stats().repatriated > 0


# --- limits ---


@pytest.mark.simulated("a given topology")
def test_12_12_limit_is_split_among_the_nodes(pairs):
    """12/12: unbound: never more than the sum of the nodes' limits, and never more of a node than its own."""
    m = pairs
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND, 6)
    wq.min_active = 1
    near = [Item() for _ in range(8)]
    far = [Item() for _ in range(8)]
    start_all(near, wq, cpu=1)
    m.sleep(0.01)
    assert running(near) == 3  # ceil(6 * 2 CPUs / 4 CPUs)
    start_all(far, wq, cpu=2)
    m.sleep(0.01)
    assert running(near) == 3 and running(far) == 3
    wq.max_active = 12
    m.sleep(0.01)
    assert running(near) == 6 and running(far) == 6
    let_go(near + far)
    assert [item.runs for item in near + far] == [1] * 16


@pytest.mark.simulated("a given topology")
def test_min_active_is_every_nodes(pairs):
    """What a node has at least, however small its share."""
    m = pairs
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND, 4)
    assert wq.min_active == 4
    items = [Item() for _ in range(6)]
    start_all(items, wq, cpu=0)
    m.sleep(0.01)
    assert running(items) == 4
    let_go(items)


@pytest.mark.simulated("a given topology")
def test_system_scope_has_the_whole_limit(pairs):
    """Pools that lie in several nodes have the limit as a whole."""
    m = pairs
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND, 6)
    wq.min_active = 1
    wq.affinity_scope = "system"
    items = [Item() for _ in range(8)]
    for i, item in enumerate(items):
        wq.queue(item.work, cpu=i % 4)
    m.sleep(0.01)
    assert running(items) == 6
    let_go(items)


@pytest.mark.simulated("a given topology")
def test_held_back_items_of_other_pools_start(pairs):
    """Pools of one node share its limit: an item that ends in one lets the next of another start."""
    m = pairs
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND, 1)
    wq.affinity_scope = "cpu"
    order = []
    first = held_item(wq, cpu=0)
    works = [bh.Work(lambda w, i=i: order.append(i)) for i in range(8)]
    for i, work in enumerate(works):
        wq.queue(work, cpu=i % 2)
    m.sleep(0.01)
    assert order == []
    first.open()
    wq.flush()
    assert sorted(order) == list(range(8))


def test_held_back_items_of_other_pools_start_under_load(boot):
    """The same with many items and changing attributes, on both substrates: none is lost, the limit holds."""
    m = boot(cpus=4)
    with m:
        wq = m.alloc_workqueue("u", bh.WQ.UNBOUND, 2)
        busy, most, runs = [0], [0], [0]

        def work(w):
            busy[0] += 1
            most[0] = max(most[0], busy[0])
            bh.sleep(0.0001)
            busy[0] -= 1
            runs[0] += 1

        scopes = ["cpu", "system", "smt", "numa", "cache"]
        works = [bh.Work(work) for _ in range(100)]
        for i, item in enumerate(works):
            wq.queue(item, cpu=i % 4)
            if i % 20 == 19:
                wq.affinity_scope = scopes[i // 20]
        for item in works:
            item.flush(LONG)
        wq.flush(LONG)
        assert runs[0] == 100 and wq.stats().completed == 100
        # Each change adds a queue with a limit of its own only where the node is another.
        assert most[0] <= 2 * (1 + len(m.pods("numa")))
        wq.destroy(LONG)


def test_12_16_items_on_an_idle_pool_start_together(m):
    """12/16: k items on an idle unbound pool start concurrently, up to the limit."""
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND, 5)
    items = [Item() for _ in range(8)]
    start_all(items, wq)
    eventually(lambda: running(items) == 5)
    works_on(m)
    assert running(items) == 5
    let_go(items)


# --- changes on a live workqueue ---


def test_queued_items_finish_where_they_are(m):
    """Items on their way finish on the old pools; new ones go to the new; flush waits for both."""
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND)
    held = held_item(wq)
    old = wq.pools
    wq.nice = 3
    names = []
    work = bh.Work(lambda w: names.append(bh.current_task().name))
    wq.queue(work)
    work.flush(LONG)
    assert int(names[0][len("kworker/u") :].split(":")[0]) in wq.pools
    assert not set(old) & set(wq.pools)
    held.open()
    wq.flush(LONG)
    assert held.ends == 1
    assert wq.stats().started == 2
    wq.nice = 0
    wq.nice = 3
    assert wq.stats().started == 2, "counters survive their queues"


def test_item_that_requeues_itself_never_overlaps(m):
    """An item that follows itself across a change of attributes stays on its pool, and never overlaps with itself."""
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND)
    inside, runs, pools = [0], [0], []

    def again(work):
        inside[0] += 1
        assert inside[0] == 1
        runs[0] += 1
        pools.append(bh.current_task().name.split(":")[0])
        if runs[0] < 20:
            wq.queue(work)
        if runs[0] == 5:
            wq.nice = 2
        inside[0] -= 1

    work = bh.Work(again)
    wq.queue(work)
    eventually(lambda: runs[0] == 20 and not work.busy)
    assert set(pools) == {pools[0]}
    assert not m.errors


def test_12_13_ordered_stays_ordered_across_changes(boot):
    """12/13: strict order, one at a time, whatever the CPU of the submitter, and across changes of attributes."""
    m = boot(cpus=2)
    with m:
        wq = m.alloc_ordered_workqueue("o")
        order, inside = [], [0]

        def handler(i):
            def run(work):
                inside[0] += 1
                assert inside[0] == 1
                bh.sleep(0.0002)
                order.append(i)
                inside[0] -= 1

            return run

        works = [bh.Work(handler(i)) for i in range(40)]
        for i, work in enumerate(works):
            if i % 10 == 5:
                wq.nice = i // 10 + 1
            assert wq.queue(work, cpu=i % 2)
        wq.flush(LONG)
        assert order == list(range(40)) and not m.errors
        assert wq.stats().completed == 40


def test_ordered_is_plugged_until_the_old_pool_is_empty(m):
    """Items of the new pool wait for those of the old one; a cancelled one lets them go as well."""
    wq = m.alloc_ordered_workqueue("o")
    held = held_item(wq)
    last = bh.Work(noop)
    wq.queue(last)
    wq.nice = 1
    ran = []
    new = bh.Work(lambda w: ran.append(1))
    wq.queue(new)
    works_on(m)
    assert ran == [] and new.pending
    assert last.cancel()
    works_on(m)
    assert ran == []
    held.open()
    new.flush(LONG)
    assert ran == [1]
    # With nothing in the old pool the new one starts at once.
    wq.nice = 2
    wq.queue(new)
    new.flush(LONG)
    assert ran == [1, 1]


def test_ordered_cancel_of_the_last_old_item_unplugs(m):
    """The old pool's last item is cancelled: nothing holds the new one back any more."""
    wq = m.alloc_ordered_workqueue("o", bh.WQ.FREEZABLE)
    m.freeze()
    old, new = bh.Work(noop), bh.Work(noop)
    wq.queue(old)
    wq.nice = 1
    wq.queue(new)
    assert old.cancel()
    m.thaw()
    new.flush(LONG)
    assert not new.pending


def test_change_while_somebody_flushes(m):
    """A flush that waits does not mind a change, and later flushes wait for old and new."""
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND)
    held = held_item(wq)
    flush = blocked(wq.flush)
    wq.affinity_scope = "cpu"
    new = held_item(wq)
    second = blocked(wq.flush)
    held.open()
    flush.result()
    assert not second.settle().done
    new.open()
    second.result()


def test_change_while_frozen(m):
    """Frozen stays frozen across a change."""
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND | bh.WQ.FREEZABLE)
    m.freeze()
    works = [bh.Work(noop), bh.Work(noop)]
    wq.queue(works[0])
    wq.nice = 4
    wq.queue(works[1])
    works_on(m)
    assert all(w.pending for w in works)
    m.thaw()
    for work in works:
        work.flush(LONG)


def test_halt_with_old_queues(boot):
    """A machine halts with items on old and new queues."""
    m = boot(cpus=2)
    ran = []
    with m:
        wq = m.alloc_ordered_workqueue("o")
        for i in range(6):
            wq.queue(bh.Work(lambda w, i=i: ran.append(i)))
            wq.nice = i + 1
    assert ran == list(range(6))


# --- hotplug, nodes, power ---


@pytest.mark.simulated("a given topology")
def test_hotplug_moves_pods(pairs):
    """A pod whose last CPU goes offline is served by the whole; back, by itself again. Limits follow."""
    m = pairs
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND, 6)
    wq.min_active = 1
    strict = m.alloc_workqueue("s", bh.WQ.UNBOUND)
    strict.affinity_strict = True
    before = wq.pools, strict.pools
    m.cpu_down(3)
    assert wq.pools == before[0]
    stuck = held_item(strict, cpu=2)
    m.cpu_down(2)
    assert wq.pools == (before[0][0],) * 2 + (16,) * 2
    items = [Item() for _ in range(8)]
    start_all(items, wq, cpu=0)
    m.sleep(0.01)
    assert running(items) == 6  # node 0 has all the CPUs that are left
    let_go(items)
    stuck.open()
    stuck.work.flush(LONG)
    assert run_in_work(strict, bh.smp_processor_id, cpu=3) in (0, 1)
    m.cpu_up(2)
    m.cpu_up(3)
    assert (wq.pools, strict.pools) == before
    assert run_in_work(strict, bh.smp_processor_id, cpu=3) in (2, 3)


@pytest.mark.simulated("a given topology")
def test_queue_node(pairs):
    """queue_node: the caller's CPU if it is of the node, else the node's first that is online."""
    m = pairs
    wq = m.alloc_workqueue("u", bh.WQ.UNBOUND)
    wq.affinity_strict = True
    cpus = []
    work = bh.Work(lambda w: cpus.append(bh.smp_processor_id()))
    for node in (0, 1):
        assert wq.queue_node(work, node)
        assert not wq.queue_node(work, node=node)
        work.flush()
    assert cpus[0] in (0, 1) and cpus[1] in (2, 3)
    with pytest.raises(ValueError, match="node=2"):
        wq.queue_node(work, 2)
    with pytest.raises(bh.MisuseError, match="unbound"):
        m.system_wq.queue_node(work, 0)
    with pytest.raises(TypeError):
        wq.queue_node(42, 0)


@pytest.mark.parametrize("on", [False, True])
def test_power_efficient(boot, on):
    """POWER_EFFICIENT makes a workqueue unbound on a machine that is asked to save power."""
    m = boot(cpus=2, power_efficient=on)
    with m:
        wq = m.alloc_workqueue("p", bh.WQ.POWER_EFFICIENT)
        assert bool(wq.flags & bh.WQ.UNBOUND) == on and wq.per_cpu != on
        assert bool(m.system_power_efficient_wq.flags & bh.WQ.UNBOUND) == on
        assert not m.system_wq.flags & bh.WQ.UNBOUND
        works_on(m)


def test_changes_of_different_attributes_meet(m):
    """Each property is changed alone: what another thread changes at the same time is not lost."""
    wq = m.alloc_workqueue("both", bh.WQ.UNBOUND)

    def change(name, value):
        setattr(wq, name, value)

    for i in range(60):
        nice, scope = i % 3 + 1, ("numa", "system", "smt")[i % 3]
        tasks = [m.spawn(change, "nice", nice), m.spawn(change, "affinity_scope", scope)]
        for task in tasks:
            task.join(LONG)
        assert (wq.nice, wq.affinity_scope) == (nice, scope)


def test_a_change_while_a_cpu_goes_and_comes(m):
    """The pools are chosen anew for the CPUs that are left, with the attributes that are in force then."""
    wq = m.alloc_workqueue("both", bh.WQ.UNBOUND)
    over = []

    def flip():
        while not over:
            m.cpu_down(1)
            m.cpu_up(1)
            if m.simulated:  # its time would stand still
                m.sleep(0.00003)

    flips = m.spawn(flip, cpu=0)
    lost = 0
    for i in range(200):
        wq.nice = i % 2 + 1
        m.sleep(0.0001)
        lost += wq.nice != i % 2 + 1
    over.append(True)
    flips.join(LONG)
    assert lost == 0
    assert wq.submit(pow, 2, 3).result(LONG) == 8


def test_waiting_for_a_later_item_behind_a_change(m):
    """After a change the ordered workqueue's next item lies in another pool: waiting for it in the one before."""
    wq = m.alloc_ordered_workqueue("o")
    later = bh.Work(noop)
    started, go = bh.Completion(), bh.Completion()
    answers = []

    def first(work):
        started.complete()
        go.wait(LONG)
        try:
            answers.append(later.flush())
        except bh.DeadlockError as error:
            answers.append(str(error))

    work = bh.Work(first)
    wq.queue(work)
    started.wait(LONG)
    wq.nice = 1
    wq.queue(later)
    go.complete()
    work.flush(LONG)
    later.flush(LONG)
    assert "held back by max_active=1 of workqueue 'o' behind first" in answers[0]
