// <linux/spinlock.h>, <linux/mutex.h>, <linux/rwsem.h>.
#include <cerrno>

#include "glue.hpp"
#include "layout_probe.hpp"

namespace bottomhalf::linux_api {

namespace {

void lock_spin(SpinLock* lock, SpinKind kind, const char* call) {
    Task& self = me();
    SpinLock& l = usable(lock, call);
    if (l.owner() == &self) {
        log(here(), LogLevel::emerg,
            "BUG: spinlock recursion on CPU#" + std::to_string(self.cpu.load()) + ", " + self.name + "/" +
                std::to_string(self.pid.load()));
        throw DeadlockError(std::string(call) + ": " + describe_task(self) +
                            " holds this lock already; it does not nest");
    }
    past_lockdep([&] {
        l.lock(self, kind);
        return 0;
    });
}
void unlock_spin(SpinLock* lock, SpinKind kind, const char* call) {
    Task& self = me();
    try {
        usable(lock, call).unlock(self, kind);
    } catch (const MisuseError& e) {
        if (e.rule() != "spinlock-not-owner") throw;
        log(here(), LogLevel::emerg,
            std::string("BUG: spinlock ") + (lock->locked() ? "wrong owner" : "already unlocked") + " on CPU#" +
                std::to_string(self.cpu.load()) + ", " + self.name + "/" + std::to_string(self.pid.load()));
    }
}
int try_spin(SpinLock* lock, SpinKind kind) { return usable(lock, "spin_trylock").try_lock(me(), kind) ? 1 : 0; }

// Readers and writers; writers are not preferred, as on Linux.
bool try_read(std::int32_t& count) {
    std::int32_t n = __atomic_load_n(&count, __ATOMIC_RELAXED);
    while (n >= 0)
        if (__atomic_compare_exchange_n(&count, &n, n + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) return true;
    return false;
}
bool try_write(std::int32_t& count) {
    std::int32_t none = 0;
    return __atomic_compare_exchange_n(&count, &none, -1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

template <class Try>
void spin_until(Try&& attempt) {
    Task& self = me();
    explore_point(here());
    preempt_disable(self);
    while (!attempt()) here().substrate->relax(self);
}
template <class Try>
int spin_once(Try&& attempt) {
    Task& self = me();
    explore_point(here());
    preempt_disable(self);
    if (attempt()) return 1;
    preempt_enable(self);
    return 0;
}
void leave_spin(std::int32_t& count, std::int32_t change) {
    __atomic_fetch_add(&count, change, __ATOMIC_SEQ_CST);
    preempt_enable(me());
    explore_point(here());
}

// The C struct rw_semaphore.
struct RwSem {
    std::uint32_t lock;
    std::int32_t count;
    WaitQueue waiters;
};
template <class Try>
int sleep_until(RwSem* sem, Try&& attempt, const char* call, bool interruptible) {
    Task& self = me();
    usable(&sem->waiters, call);
    const WaitResult result = [&] {
        try {
            return sem->waiters.wait(self, attempt, kForever, call, true);
        } catch (const SchedulingWhileAtomic&) {
            report_atomic(self, call);
            if (attempt()) return WaitResult::ok;
            throw;
        }
    }();
    if (result == WaitResult::interrupted && interruptible) return -EINTR;
    throw_unless_ok(result, call);
    return 0;
}
// Who leaves must have been in: a reader counts one, the writer -1.
void leave(RwSem* sem, std::int32_t change, const char* call) {
    std::int32_t before = __atomic_load_n(&sem->count, __ATOMIC_RELAXED);
    do {
        if (change < 0 ? before <= 0 : before != -1) {
            warn_once(here(), call, std::string("DEBUG_RWSEMS_WARN_ON: ") + call + ": it is not held this way");
            return;
        }
    } while (
        !__atomic_compare_exchange_n(&sem->count, &before, before + change, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    usable(&sem->waiters, call).wake_all();
}

WaitResult lock_mutex(Mutex* mutex) {
    Task& self = me();
    Mutex& m = usable(mutex, "mutex_lock");
    try {
        return past_lockdep([&] { return m.lock(self); });
    } catch (const SchedulingWhileAtomic&) {
        report_atomic(self, "mutex_lock");
        if (m.try_lock(self)) return WaitResult::ok;
        throw;
    } catch (...) {
        if (!warned_about("mutex_lock")) throw;
        return WaitResult::ok;
    }
}

}  // namespace

extern "C" {

void bh_linux_spin_lock_init(SpinLock* lock) {
    LockGraph::forget(lock);
    order_forget(lock);
    new (lock) SpinLock;
}
void bh_linux_spin_lock(SpinLock* lock) { lock_spin(lock, SpinKind::plain, "spin_lock"); }
void bh_linux_spin_unlock(SpinLock* lock) { unlock_spin(lock, SpinKind::plain, "spin_unlock"); }
int bh_linux_spin_trylock(SpinLock* lock) { return try_spin(lock, SpinKind::plain); }
void bh_linux_spin_lock_bh(SpinLock* lock) { lock_spin(lock, SpinKind::bh, "spin_lock_bh"); }
void bh_linux_spin_unlock_bh(SpinLock* lock) { unlock_spin(lock, SpinKind::bh, "spin_unlock_bh"); }
int bh_linux_spin_trylock_bh(SpinLock* lock) { return try_spin(lock, SpinKind::bh); }
void bh_linux_spin_lock_irq(SpinLock* lock) { lock_spin(lock, SpinKind::irqsave, "spin_lock_irq"); }
void bh_linux_spin_unlock_irq(SpinLock* lock) { unlock_spin(lock, SpinKind::irqsave, "spin_unlock_irq"); }
int bh_linux_spin_trylock_irq(SpinLock* lock) { return try_spin(lock, SpinKind::irqsave); }
unsigned long bh_linux_spin_lock_irqsave(SpinLock* lock) {
    const unsigned long flags = me().irqs_off;
    lock_spin(lock, SpinKind::irqsave, "spin_lock_irqsave");
    return flags;
}
void bh_linux_spin_unlock_irqrestore(SpinLock* lock, unsigned long) {
    unlock_spin(lock, SpinKind::irqsave, "spin_unlock_irqrestore");
}
int bh_linux_spin_trylock_irqsave(SpinLock* lock, unsigned long* flags) {
    *flags = me().irqs_off;
    return try_spin(lock, SpinKind::irqsave);
}
int bh_linux_spin_is_locked(SpinLock* lock) {
    poll();
    return lock->locked() ? 1 : 0;
}
void bh_linux_assert_spin_locked(SpinLock* lock) {
    if (!lock->locked()) warn(here(), "assert_spin_locked", "the lock is not held");
}

void bh_linux_read_lock(std::int32_t* lock) {
    spin_until([&] { return try_read(*lock); });
}
void bh_linux_read_unlock(std::int32_t* lock) { leave_spin(*lock, -1); }
int bh_linux_read_trylock(std::int32_t* lock) {
    return spin_once([&] { return try_read(*lock); });
}
void bh_linux_write_lock(std::int32_t* lock) {
    spin_until([&] { return try_write(*lock); });
}
void bh_linux_write_unlock(std::int32_t* lock) { leave_spin(*lock, 1); }
int bh_linux_write_trylock(std::int32_t* lock) {
    return spin_once([&] { return try_write(*lock); });
}

void bh_linux_mutex_init(Mutex* mutex) {
    LockGraph::forget(mutex);
    order_forget(mutex);
    new (mutex) Mutex;
}
void bh_linux_mutex_lock(Mutex* mutex) { throw_unless_ok(lock_mutex(mutex), "mutex_lock"); }
int bh_linux_mutex_lock_interruptible(Mutex* mutex) { return lock_mutex(mutex) == WaitResult::ok ? 0 : -EINTR; }
int bh_linux_mutex_trylock(Mutex* mutex) { return usable(mutex, "mutex_trylock").try_lock(me()) ? 1 : 0; }
void bh_linux_mutex_unlock(Mutex* mutex) {
    as_linux("mutex_unlock", [&] { usable(mutex, "mutex_unlock").unlock(me()); });
}
bool bh_linux_mutex_is_locked(Mutex* mutex) {
    poll();
    return mutex->locked();
}

void bh_linux_init_rwsem(RwSem* sem) { new (sem) RwSem{}; }
void bh_linux_down_read(RwSem* sem) {
    sleep_until(sem, [&] { return try_read(sem->count); }, "down_read", false);
}
int bh_linux_down_read_interruptible(RwSem* sem) {
    return sleep_until(sem, [&] { return try_read(sem->count); }, "down_read", true);
}
int bh_linux_down_read_trylock(RwSem* sem) { return try_read(sem->count) ? 1 : 0; }
void bh_linux_up_read(RwSem* sem) { leave(sem, -1, "up_read"); }
void bh_linux_down_write(RwSem* sem) {
    sleep_until(sem, [&] { return try_write(sem->count); }, "down_write", false);
}
int bh_linux_down_write_killable(RwSem* sem) {
    return sleep_until(sem, [&] { return try_write(sem->count); }, "down_write", true);
}
int bh_linux_down_write_trylock(RwSem* sem) { return try_write(sem->count) ? 1 : 0; }
void bh_linux_up_write(RwSem* sem) { leave(sem, 1, "up_write"); }
void bh_linux_downgrade_write(RwSem* sem) { leave(sem, 2, "downgrade_write"); }
int bh_linux_rwsem_is_locked(RwSem* sem) {
    poll();
    return __atomic_load_n(&sem->count, __ATOMIC_RELAXED) != 0 ? 1 : 0;
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
