#include <cstdio>

#include "bottomhalf/version.hpp"

int main() {
    std::puts(BOTTOMHALF_VERSION);
    return 0;
}
