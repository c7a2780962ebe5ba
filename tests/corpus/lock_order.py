"""Lock order: one path takes A then B, another B then A (lockdep: "possible circular locking dependency").

Rare, because each must get its first lock before the other asks for its second.

Kernel cure: one order for all, whatever the order of the arguments.
"""

import bottomhalf as bh

EXPLORE = {}
FAILURE = bh.DeadlockError
HIDDEN = False  # the lock checker needs one run, whether or not it ends badly


class Account:
    """Money and the mutex over it."""

    def __init__(self, number, balance):
        self.number = number
        self.balance = balance
        self.mutex = bh.Mutex()


def _transfer_both_ways(machine, order):
    left, right = Account(1, 10), Account(2, 10)

    def transfer(source, target, amount):
        first, second = order(source, target)
        with first.mutex, second.mutex:
            source.balance -= amount
            target.balance += amount

    works = [
        bh.Work(lambda work: transfer(left, right, 3), name="there"),
        bh.Work(lambda work: transfer(right, left, 5), name="back"),
    ]
    for cpu, work in enumerate(works):
        machine.system_wq.queue(work, cpu=cpu)
    for work in works:
        work.flush()
    assert (left.balance, right.balance) == (12, 8)


def buggy(machine):
    _transfer_both_ways(machine, lambda source, target: (source, target))


def fixed(machine):
    _transfer_both_ways(machine, lambda *accounts: sorted(accounts, key=lambda account: account.number))
