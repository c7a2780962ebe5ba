#include "bottomhalf/sync/mutex.hpp"

namespace bottomhalf {

namespace {
std::string mutex_name() { return "mutex"; }
}  // namespace

bool Mutex::try_lock(Task& self) noexcept {
    Task* none = nullptr;
    if (!owner_.compare_exchange(none, &self)) return false;
    ++self.nr_mutexes;
    order_acquire(this);
    if (LockGraph* graph = lock_graph_of(self)) [[unlikely]]
        graph->taken(self, this, mutex_name);
    return true;
}

WaitResult Mutex::lock(Task& self, Nanoseconds deadline) {
    might_sleep(self, "mutex_lock");
    if (owner_.load() == &self)
        throw DeadlockError("mutex_lock: " + describe_task(self) + " holds this mutex already; it does not nest");
    if (LockGraph* graph = lock_graph_of(self)) [[unlikely]]
        graph->before(self, this, mutex_name);
    explore_point();
    const auto taken = [&] { return try_lock(self); };
    if (waiters_.look(taken)) return WaitResult::ok;
    WaitResult result = WaitResult::ok;
    auto wait = [&] { result = waiters_.wait_after_look(self, taken, deadline, "mutex_lock", true); };
    Domain& domain = *self.domain.load(std::memory_order_relaxed);
    if (deadline != kForever || domain.hooks.wait_for_owner == nullptr)
        wait();
    else
        domain.hooks.wait_for_owner(
            domain, self, owner_, "mutex_lock", [](void* w) { (*static_cast<decltype(wait)*>(w))(); }, &wait);
    return result;
}

void Mutex::unlock(Task& self) {
    explore_point();
    if (owner_.load() != &self)
        throw MisuseError("mutex-not-owner", "mutex_unlock: " + describe_task(self) +
                                                 " does not hold this mutex; the task that locked it must unlock it");
    if (LockGraph* graph = lock_graph_of(self)) [[unlikely]]
        graph->released(self, this);
    --self.nr_mutexes;
    order_release(this);
    owner_.store(nullptr);
    waiters_.wake_now(1);
    explore_point();
}

}  // namespace bottomhalf
