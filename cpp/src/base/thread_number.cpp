#include "bottomhalf/base/thread_number.hpp"

#include <atomic>

namespace bottomhalf {

std::uint64_t thread_number() noexcept {
    static std::atomic<std::uint64_t> last{0};
    [[gnu::tls_model("initial-exec")]] thread_local constinit std::uint64_t number = 0;
    if (number == 0) [[unlikely]]
        number = last.fetch_add(1, std::memory_order_relaxed) + 1;
    return number;
}

}  // namespace bottomhalf
