#include "bottomhalf/workqueue/backlog.hpp"

#include "bottomhalf/workqueue/workqueue.hpp"

namespace bottomhalf {

Backlog::Backlog(unsigned depth, WhenFull when_full) noexcept : depth_(depth), when_full_(when_full) {
    for (unsigned i = 0; i < depth; ++i) places_.signal();
}

bool Backlog::try_enter() noexcept {
    if (!places_.try_wait()) return false;
    refs_.fetch_add(1);
    return true;
}

void Backlog::enter(Workqueue& wq, Task& self) {
    if (try_enter()) return;
    if (when_full_ == WhenFull::raise)
        throw QueueFull("workqueue '" + wq.name() + "' is full: " + std::to_string(depth_) +
                        " items wait in it (queue_depth); submit later, or allocate it with when_full=\"block\"");
    if (self.worker != nullptr && self.worker->current_pwq != nullptr && self.worker->current_pwq->wq == &wq)
        wait_inside(wq, self);
    else
        throw_unless_ok(places_.wait(self, kForever, "submit"), "submit");
    refs_.fetch_add(1);
}

void Backlog::wait_inside(Workqueue& wq, Task& self) {
    struct Inside {
        Backlog& backlog;
        explicit Inside(Backlog& b) : backlog(b) { ++backlog.inside_; }
        ~Inside() {
            RawGuard guard(backlog.lock_);
            --backlog.inside_;
        }
    };
    lock_.lock();
    // An active item that does not sleep here ends some day, and the next one starts. Looked at by one at a time: of
    // two that would both wait, the second is refused.
    const bool stuck = wq.active() <= inside_ + 1;
    if (stuck && !places_.done()) {
        lock_.unlock();
        throw DeadlockError("submit to workqueue '" + wq.name() + "' would wait for ever: its queue_depth of " +
                            std::to_string(depth_) + " is reached, and every active item of it waits here for one to " +
                            "start; raise max_active or queue_depth, or submit from outside the workqueue");
    }
    Inside inside(*this);
    lock_.unlock();
    throw_unless_ok(places_.wait(self, kForever, "submit"), "submit");
}

void Backlog::leave() noexcept {
    places_.signal();
    drop();
}

void Backlog::drop() noexcept {
    if (refs_.fetch_sub(1) == 1) delete this;
}

}  // namespace bottomhalf
