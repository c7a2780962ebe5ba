#include "bottomhalf/sched/watcher.hpp"

namespace bottomhalf {

const char* detection_name(Detection means) noexcept {
    switch (means) {
        case Detection::automatic:
            return "auto";
        case Detection::switch_records:
            return "switch-records";
        case Detection::sampling:
            return "sampling";
        case Detection::budget:
            return "budget";
        case Detection::hooks:
            break;
    }
    return "hooks";
}

}  // namespace bottomhalf
