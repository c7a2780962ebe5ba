"""Operations on workqueues and work items. Each is the kernel's function of its name."""

from __future__ import annotations

import bottomhalf as bh

from .items import DelayedWork, GatedWork, Queue
from .scene import QUEUES, WORKS, Operation, Scene
from .words import Invalid, Words, answer, delay, flags, integer, new, options

SCOPE = "system"  # the CPUs of the recorded kernel shared one cache: all unbound workqueues of a nice level one pool


def alloc_workqueue(scene: Scene, words: Words) -> str:
    ident, wanted, max_active = new(scene.queues, words, QUEUES), flags(words), integer(words, 2)
    try:
        wq = scene.machine.alloc_workqueue(f"ops{ident}", wanted, max_active)
    except ValueError:
        return "null"
    if bh.WQ.UNBOUND in wanted and not scene.machine.simulated:  # where there is one cache anyway
        wq.affinity_scope = SCOPE
    scene.queues[ident] = Queue(ident, wq, wanted, ordered=False)
    return "ok"


def alloc_ordered_workqueue(scene: Scene, words: Words) -> str:
    ident, wanted = new(scene.queues, words, QUEUES), flags(words)
    try:
        wq = scene.machine.alloc_ordered_workqueue(f"ops{ident}", wanted)
    except ValueError:
        return "null"
    scene.queues[ident] = Queue(ident, wq, wanted, ordered=True)
    return "ok"


def destroy_workqueue(scene: Scene, words: Words) -> str:
    queue = scene.queue(words, 0)
    queue.wq.destroy()
    del scene.queues[queue.ident]
    return "ok"


def flush_workqueue(scene: Scene, words: Words) -> str:
    scene.queue(words, 0).wq.flush()
    return "ok"


def drain_workqueue(scene: Scene, words: Words) -> str:
    scene.queue(words, 0).wq.drain()
    return "ok"


def init_work(scene: Scene, words: Words) -> str:
    return _init_work(scene, GatedWork, words)


def init_delayed_work(scene: Scene, words: Words) -> str:
    return _init_work(scene, DelayedWork, words)


def _init_work(scene: Scene, kind: type[GatedWork], words: Words) -> str:
    ident, chosen = new(scene.works, words, WORKS), options(words)
    scene.works[ident] = kind(
        ident,
        scene.log,
        gate=chosen.get("gate", 0),
        sleep=chosen.get("sleep", 0) / 1000,
        requeue=chosen.get("requeue", 0),
    )
    return "ok"


def queue_work(scene: Scene, words: Words) -> str:
    return answer(scene.work(words, 1).queue_on(scene.queue(words, 0)))


def queue_work_on(scene: Scene, words: Words) -> str:
    return answer(scene.work(words, 2).queue_on(scene.queue(words, 1), scene.cpu(words)))


def queue_delayed_work(scene: Scene, words: Words) -> str:
    return answer(scene.delayed(words, 1).queue_delayed_on(scene.queue(words, 0), delay(words, 2)))


def queue_delayed_work_on(scene: Scene, words: Words) -> str:
    work, queue = scene.delayed(words, 2), scene.queue(words, 1)
    return answer(work.queue_delayed_on(queue, delay(words, 3), scene.cpu(words)))


def mod_delayed_work(scene: Scene, words: Words) -> str:
    return answer(scene.delayed(words, 1).mod_delayed_on(scene.queue(words, 0), delay(words, 2)))


def mod_delayed_work_on(scene: Scene, words: Words) -> str:
    work, queue = scene.delayed(words, 2), scene.queue(words, 1)
    return answer(work.mod_delayed_on(queue, delay(words, 3), scene.cpu(words)))


def flush_work(scene: Scene, words: Words) -> str:
    work = scene.work(words, 0)
    return answer(work.flush_work() if isinstance(work, DelayedWork) else work.flush())


def flush_delayed_work(scene: Scene, words: Words) -> str:
    return answer(scene.delayed(words, 0).flush())


def cancel_work(scene: Scene, words: Words) -> str:
    return answer(scene.plain(words, 0).cancel())


def cancel_delayed_work(scene: Scene, words: Words) -> str:
    return answer(scene.delayed(words, 0).cancel())


def cancel_work_sync(scene: Scene, words: Words) -> str:
    return answer(scene.plain(words, 0).cancel_sync())


def cancel_delayed_work_sync(scene: Scene, words: Words) -> str:
    return answer(scene.delayed(words, 0).cancel_sync())


def disable_work(scene: Scene, words: Words) -> str:
    return answer(_disabled(scene.plain(words, 0)).disable())


def disable_delayed_work(scene: Scene, words: Words) -> str:
    return answer(_disabled(scene.delayed(words, 0)).disable())


def disable_work_sync(scene: Scene, words: Words) -> str:
    return answer(_disabled(scene.plain(words, 0)).disable_sync())


def disable_delayed_work_sync(scene: Scene, words: Words) -> str:
    return answer(_disabled(scene.delayed(words, 0)).disable_sync())


def enable_work(scene: Scene, words: Words) -> str:
    return answer(_enabled(scene.plain(words, 0)).enable())


def enable_delayed_work(scene: Scene, words: Words) -> str:
    return answer(_enabled(scene.delayed(words, 0)).enable())


def work_pending(scene: Scene, words: Words) -> str:
    return answer(scene.work(words, 0).pending)


def delayed_work_pending(scene: Scene, words: Words) -> str:
    return answer(scene.delayed(words, 0).pending)


def dwork_timer_pending(scene: Scene, words: Words) -> str:
    return answer(scene.delayed(words, 0).timer_pending)


def work_busy(scene: Scene, words: Words) -> str:
    return str(int(scene.work(words, 0).busy))


def open_gate(scene: Scene, words: Words) -> str:
    scene.work(words, 0).open()
    return "ok"


def close_gate(scene: Scene, words: Words) -> str:
    scene.work(words, 0).close()
    return "ok"


def _disabled(work: GatedWork) -> GatedWork:
    work.disabled += 1
    return work


def _enabled(work: GatedWork) -> GatedWork:
    if not work.disabled:
        raise Invalid
    work.disabled -= 1
    return work


_CALLS: tuple[Operation, ...] = (
    alloc_workqueue,
    alloc_ordered_workqueue,
    init_work,
    init_delayed_work,
    queue_work,
    queue_work_on,
    queue_delayed_work,
    queue_delayed_work_on,
    mod_delayed_work,
    mod_delayed_work_on,
    cancel_work,
    cancel_delayed_work,
    disable_work,
    disable_delayed_work,
    enable_work,
    enable_delayed_work,
    work_pending,
    delayed_work_pending,
    dwork_timer_pending,
    work_busy,
)

#: Those that may block, and so may be called in a task of their own.
BLOCKING: dict[str, Operation] = {
    call.__name__: call
    for call in (
        destroy_workqueue,
        flush_workqueue,
        drain_workqueue,
        flush_work,
        flush_delayed_work,
        cancel_work_sync,
        cancel_delayed_work_sync,
        disable_work_sync,
        disable_delayed_work_sync,
    )
}
OPERATIONS: dict[str, Operation] = {
    **{call.__name__: call for call in _CALLS},
    **BLOCKING,
    "open": open_gate,
    "close": close_gate,
}
