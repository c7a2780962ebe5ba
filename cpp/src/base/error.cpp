#include "bottomhalf/base/error.hpp"

namespace bottomhalf::message {

std::string forked(const std::string& machine) {
    return "machine '" + machine +
           "' belongs to the parent process: threads do not survive fork(); boot a new Machine in the child";
}

std::string halted(const std::string& machine) { return "machine '" + machine + "' is halted; boot a new Machine"; }

}  // namespace bottomhalf::message
