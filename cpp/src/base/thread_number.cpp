#include "bottomhalf/base/thread_number.hpp"

#include <atomic>

namespace bottomhalf {

namespace {
[[gnu::tls_model("initial-exec")]] thread_local constinit std::uint64_t t_number = 0;
[[gnu::tls_model("initial-exec")]] thread_local constinit bool t_lent = false;

std::uint64_t next_number() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}
}  // namespace

std::uint64_t thread_number() noexcept {
    if (t_number == 0) [[unlikely]]
        t_number = next_number();
    return t_number;
}

void lend_thread_number(std::uint64_t number) noexcept {
    [[maybe_unused]] static const int prepared = pthread_atfork(nullptr, nullptr, [] {
        if (t_lent) t_number = next_number();
        t_lent = false;
    });
    t_number = number;
    t_lent = true;
}

}  // namespace bottomhalf
