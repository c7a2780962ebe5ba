"""``destroy_workqueue`` while something still queues to it.

Destroying drains what is queued and then frees the workqueue. A tasklet that queues its item a moment later queues to
memory that is gone; here ``queue_work`` refuses.

Kernel cure: silence the sources first (``tasklet_kill``), then destroy.
"""

import bottomhalf as bh

EXPLORE = {}
FAILURE = (bh.WorkqueueDestroyed, bh.WorkqueueDraining)


def _remove(machine, silence_then_destroy):
    wq = machine.alloc_workqueue("net")
    item = bh.Work(lambda work: None, name="receive")
    tasklet = bh.Tasklet(lambda tasklet: wq.queue(item))
    hardware = machine.spawn(tasklet.schedule, cpu=1, name="hardware")
    hardware.join()
    if silence_then_destroy:
        tasklet.kill()
        wq.destroy()
    else:
        wq.destroy()
        tasklet.kill()


def buggy(machine):
    _remove(machine, False)


def fixed(machine):
    _remove(machine, True)
