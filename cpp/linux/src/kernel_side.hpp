// KernelSide: what the Linux headers keep of one machine. Made on first use, it ends with the machine's domain.
//
// Fields: L: under lock.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf::linux_api {

class KernelSide {
public:
    explicit KernelSide(Domain& domain) : domain_(domain) {}
    KernelSide(const KernelSide&) = delete;
    KernelSide& operator=(const KernelSide&) = delete;

    // CONTEXT: any.
    static KernelSide& of(Domain& domain);

    // True for the first call with this place.
    bool first_time(const char* where);
    // Is another message from there welcome? Ten in five seconds.
    bool may_print(const char* where);
    // Workqueues that modules made live as long as the machine: who uses one after its end gets a warning, no crash.
    Workqueue* keep(std::shared_ptr<Workqueue> wq);

    // The text, for as long as the machine lives.
    const char* kept_name(const std::string& name);

    // A message that did not end its line, so that KERN_CONT can go on.
    struct OpenLine {
        std::uint64_t number = 0;  // of the log's lines, from 1; 0: none
        Task* task = nullptr;
    };
    RawLock log_lock;
    OpenLine open_line;  // under log_lock

    // A part of it that one source file owns, made by its default constructor on first use.
    template <class Part>
    Part& part() {
        static const char key = 0;
        return *static_cast<Part*>(
            part(&key, [](Domain& domain) -> std::shared_ptr<void> { return std::make_shared<Part>(domain); }));
    }

private:
    void* part(const void* key, std::shared_ptr<void> (*make)(Domain&));
    struct Rate {
        Nanoseconds begin = 0;
        unsigned printed = 0, missed = 0;
    };

    Domain& domain_;
    RawLock lock_;
    std::set<std::string> warned_;                        // L
    std::set<std::string> names_;                         // L
    std::map<std::string, Rate> rates_;                   // L
    std::vector<std::shared_ptr<Workqueue>> workqueues_;  // L
    std::map<const void*, std::shared_ptr<void>> parts_;  // L
};

}  // namespace bottomhalf::linux_api
