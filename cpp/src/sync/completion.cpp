#include "bottomhalf/sync/completion.hpp"

namespace bottomhalf {

void Completion::complete() noexcept {
    std::uint32_t n = done_.load();
    while (n < kAll - 1 && !done_.compare_exchange_weak(n, n + 1, std::memory_order_seq_cst, std::memory_order_seq_cst)) {
    }
    waiters_.wake(1);
}

void Completion::complete_all() noexcept {
    done_.store(kAll);
    waiters_.wake_all();
}

bool Completion::try_wait() noexcept {
    std::uint32_t n = done_.load();
    for (;;) {
        if (n == 0) return false;
        if (n == kAll) return true;
        if (done_.compare_exchange_weak(n, n - 1, std::memory_order_seq_cst, std::memory_order_seq_cst)) return true;
    }
}

WaitResult Completion::wait(Task& self, Nanoseconds deadline, const char* kind) {
    return waiters_.wait(self, [this] { return try_wait(); }, deadline, kind, true);
}

}  // namespace bottomhalf
