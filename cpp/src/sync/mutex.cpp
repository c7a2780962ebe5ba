#include "bottomhalf/sync/mutex.hpp"

namespace bottomhalf {

bool Mutex::try_lock(Task& self) noexcept {
    Task* none = nullptr;
    return owner_.compare_exchange(none, &self);
}

WaitResult Mutex::lock(Task& self, Nanoseconds deadline) {
    might_sleep(self, "mutex_lock");
    if (owner_.load() == &self)
        throw DeadlockError("mutex_lock: " + describe_task(self) + " holds this mutex already; it does not nest");
    return waiters_.wait(self, [&] { return try_lock(self); }, deadline, "mutex_lock", true);
}

void Mutex::unlock(Task& self) {
    explore_point();
    if (owner_.load() != &self)
        throw MisuseError("mutex-not-owner", "mutex_unlock: " + describe_task(self) +
                                                 " does not hold this mutex; the task that locked it must unlock it");
    owner_.store(nullptr);
    waiters_.wake_now(1);
}

}  // namespace bottomhalf
