#include "bottomhalf/base/cpu_mask.hpp"

namespace bottomhalf {

std::string CpuMask::to_list() const {
    std::string out;
    for (unsigned c = first(); c < kMaxCpus;) {
        unsigned last = c;
        while (test(last + 1)) ++last;
        if (!out.empty()) out += ',';
        out += std::to_string(c);
        if (last > c) out += '-' + std::to_string(last);
        c = next(last + 1);
    }
    return out;
}

}  // namespace bottomhalf
