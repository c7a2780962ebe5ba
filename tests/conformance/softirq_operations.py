"""Operations on tasklets, timers and bottom halves. Each is the kernel's function of its name."""

from __future__ import annotations

from .items import SignedTasklet, SignedTimer
from .scene import TASKLETS, TIMERS, Operation, Scene
from .words import Invalid, Words, answer, delay, found, new, options


def _tasklet(scene: Scene, words: Words) -> SignedTasklet:
    return found(scene.tasklets, words, 0)


def _timer(scene: Scene, words: Words) -> SignedTimer:
    return found(scene.timers, words, 0)


def _call_of(method: str) -> Operation:
    """The function of the kernel that only calls a tasklet's method."""

    def call(scene: Scene, words: Words) -> str:
        getattr(_tasklet(scene, words).tasklet, method)()
        return "ok"

    return call


def tasklet_init(scene: Scene, words: Words) -> str:
    ident, chosen = new(scene.tasklets, words, TASKLETS), options(words)
    scene.tasklets[ident] = SignedTasklet(ident, scene.log, scene.kick(chosen), requeue=chosen.get("requeue", 0))
    return "ok"


def tasklet_enable(scene: Scene, words: Words) -> str:
    tasklet = _tasklet(scene, words).tasklet
    if not tasklet.count:
        raise Invalid
    tasklet.enable()
    return "ok"


def tasklet_state(scene: Scene, words: Words) -> str:
    tasklet = _tasklet(scene, words).tasklet
    return f"sched={tasklet.scheduled:d} count={tasklet.count}"


def timer_setup(scene: Scene, words: Words) -> str:
    ident, chosen = new(scene.timers, words, TIMERS), options(words)
    scene.timers[ident] = SignedTimer(ident, scene.log, scene.kick(chosen), rearm=chosen.get("rearm", 0))
    return "ok"


def mod_timer(scene: Scene, words: Words) -> str:
    return answer(_timer(scene, words).mod(delay(words, 1)))


def mod_timer_pending(scene: Scene, words: Words) -> str:
    return answer(_timer(scene, words).mod_pending(delay(words, 1)))


def timer_reduce(scene: Scene, words: Words) -> str:
    return answer(_timer(scene, words).reduce(delay(words, 1)))


def del_timer(scene: Scene, words: Words) -> str:
    return answer(_timer(scene, words).timer.delete())


def del_timer_sync(scene: Scene, words: Words) -> str:
    return answer(_timer(scene, words).timer.delete_sync())


def timer_shutdown_sync(scene: Scene, words: Words) -> str:
    return answer(_timer(scene, words).timer.shutdown_sync())


def timer_pending(scene: Scene, words: Words) -> str:
    return answer(_timer(scene, words).timer.pending)


def bh_off(scene: Scene, words: Words) -> str:
    if scene.bh_off is not None:
        raise Invalid
    scene.bh_off = scene.machine.bh_off()
    scene.bh_off.__enter__()
    return "ok"


def bh_on(scene: Scene, words: Words) -> str:
    if scene.bh_off is None:
        raise Invalid
    scene.close_section()
    return "ok"


#: What may block, and so may be called in a task of its own.
BLOCKING: dict[str, Operation] = {"tasklet_kill": _call_of("kill")}
_CALLS: tuple[Operation, ...] = (
    tasklet_init,
    tasklet_enable,
    tasklet_state,
    timer_setup,
    mod_timer,
    mod_timer_pending,
    timer_reduce,
    del_timer,
    del_timer_sync,
    timer_shutdown_sync,
    timer_pending,
    bh_off,
    bh_on,
)
OPERATIONS: dict[str, Operation] = {
    **{call.__name__: call for call in _CALLS},
    **{f"tasklet_{method}": _call_of(method) for method in ("schedule", "hi_schedule", "disable", "disable_nosync")},
    **BLOCKING,
}
