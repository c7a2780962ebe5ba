#include "kernel_side.hpp"

#include "glue.hpp"

namespace bottomhalf::linux_api {

KernelSide& KernelSide::of(Domain& domain) {
    if (void* made = domain.kernel_side.load(std::memory_order_acquire)) return *static_cast<KernelSide*>(made);
    auto fresh = std::make_shared<KernelSide>(domain);
    RawGuard guard(domain.kernel_side_lock);
    if (domain.kernel_side_owner == nullptr) {
        domain.kernel_side_owner = fresh;
        domain.kernel_side.store(fresh.get(), std::memory_order_release);
    }
    return *static_cast<KernelSide*>(domain.kernel_side_owner.get());
}

bool KernelSide::first_time(const char* where) {
    RawGuard guard(lock_);
    return warned_.insert(where).second;
}

const char* KernelSide::kept_name(const std::string& name) {
    RawGuard guard(lock_);
    return names_.insert(name).first->c_str();
}

bool KernelSide::may_print(const char* where) {
    constexpr unsigned kBurst = 10;
    constexpr Nanoseconds kInterval = 5 * kSecond;
    unsigned missed = 0;
    bool may = false;
    {
        RawGuard guard(lock_);
        Rate& rate = rates_[where];
        const Nanoseconds now = domain_.now();
        if (rate.printed == 0 || now - rate.begin >= kInterval) {
            missed = rate.missed;
            rate = {now, 0, 0};
        }
        may = rate.printed < kBurst;
        if (may)
            ++rate.printed;
        else
            ++rate.missed;
    }
    if (missed != 0)
        log(domain_, LogLevel::warning, std::string(where) + ": " + std::to_string(missed) + " callbacks suppressed");
    return may;
}

Workqueue* KernelSide::keep(std::shared_ptr<Workqueue> wq) {
    Workqueue* raw = wq.get();
    RawGuard guard(lock_);
    workqueues_.push_back(std::move(wq));
    return raw;
}

void* KernelSide::part(const void* key, std::shared_ptr<void> (*make)(Domain&)) {
    {
        RawGuard guard(lock_);
        auto found = parts_.find(key);
        if (found != parts_.end()) return found->second.get();
    }
    auto fresh = make(domain_);
    RawGuard guard(lock_);
    return parts_.emplace(key, std::move(fresh)).first->second.get();
}

}  // namespace bottomhalf::linux_api
