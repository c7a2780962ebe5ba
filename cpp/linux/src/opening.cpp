#include "opening.hpp"

#include <algorithm>

#include "bottomhalf/linux/module.hpp"

namespace bottomhalf::linux_api {

bool FileUse::enter() noexcept {
    RawGuard guard(lock_);
    if (gone_) return false;
    ++calls_;
    return true;
}

void FileUse::leave() noexcept {
    {
        RawGuard guard(lock_);
        if (--calls_ != 0 || !gone_) return;
    }
    idle_.wake_all();
}

unsigned FileUse::calls() noexcept {
    RawGuard guard(lock_);
    return calls_;
}

void FileUse::add(std::shared_ptr<Opening> opening) {
    RawGuard guard(lock_);
    openings_.push_back(std::move(opening));
}

bool FileUse::begin_close(const Opening& opening) noexcept {
    std::shared_ptr<Opening> held;  // let go of outside the lock
    RawGuard guard(lock_);
    const auto found = std::find_if(openings_.begin(), openings_.end(), [&](auto& o) { return o.get() == &opening; });
    if (found == openings_.end()) return false;
    held = std::move(*found);
    openings_.erase(found);
    ++calls_;
    return true;
}

bool FileUse::open(const Opening& opening) noexcept {
    RawGuard guard(lock_);
    return std::any_of(openings_.begin(), openings_.end(), [&](auto& o) { return o.get() == &opening; });
}

void FileUse::retire() noexcept {
    RawGuard guard(lock_);
    gone_ = true;
}

void FileUse::wait(Task& self) {
    if (calls() == 0) return;
    while (idle_.wait(self, [this] { return calls() == 0; }, kForever, "proc_remove") != WaitResult::ok) {
    }
}

std::vector<std::shared_ptr<Opening>> FileUse::take_openings() noexcept {
    RawGuard guard(lock_);
    return std::move(openings_);
}

void Opening::let_go() noexcept { put_module(owner.exchange(nullptr)); }

}  // namespace bottomhalf::linux_api
