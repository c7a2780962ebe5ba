// The names of Linux's error numbers, as %pe prints them.
#pragma once

namespace bottomhalf::linux_api {

// "EINVAL"; null when there is none.
const char* error_name_of(int number) noexcept;

}  // namespace bottomhalf::linux_api
