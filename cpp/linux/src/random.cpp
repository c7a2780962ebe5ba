// <linux/random.h>.
#include <cstring>
#include <random>

#include "glue.hpp"
#include "kernel_side.hpp"

namespace bottomhalf::linux_api {

namespace {

// Of a simulated machine the same sequence in every run.
struct Random {
    explicit Random(Domain& domain) : engine(domain.simulated ? 1 : std::random_device{}()) {}
    RawLock lock;
    std::mt19937_64 engine;  // L
};

}  // namespace

extern "C" {

void bh_linux_get_random_bytes(void* buffer, std::size_t length) {
    Random& random = KernelSide::of(here()).part<Random>();
    RawGuard guard(random.lock);
    for (std::size_t at = 0; at < length; at += 8) {
        const std::uint64_t value = random.engine();
        std::memcpy(static_cast<char*>(buffer) + at, &value, length - at < 8 ? length - at : 8);
    }
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
