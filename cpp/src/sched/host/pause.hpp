// The pause of a loop that polls (HostSubstrate::relax, RawLock): known by its address, so that from outside it is not
// taken for a sleep.
#pragma once

#include <time.h>

namespace bottomhalf {

inline const timespec kRelaxPause{0, 50'000};

}  // namespace bottomhalf
