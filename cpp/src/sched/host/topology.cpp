// The topology that the system tells of in /sys. Logical CPU i is the system's CPU i while there is one; what is not
// told counts as one node, one cache, and a core for each CPU.
#include <cstdio>
#include <fstream>
#include <map>

#include "bottomhalf/sched/host/factory.hpp"

namespace bottomhalf {

namespace {

// The first CPU of a list like "0-3,8": stands for all of them.
int first_of(const std::string& path) {
    std::ifstream file(path);
    int first = -1;
    return file >> first ? first : -1;
}

std::string cpu_file(unsigned cpu, const char* name) {
    return "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/" + name;
}

// The last level: the highest index that is there.
int cache_of(unsigned cpu) {
    int cache = -1;
    for (int index = 0; index < 8; ++index) {
        char name[48];
        std::snprintf(name, sizeof name, "cache/index%d/shared_cpu_list", index);
        const int first = first_of(cpu_file(cpu, name));
        if (first == -1) break;
        cache = first;
    }
    return cache;
}

int node_of(unsigned cpu) {
    for (int node = 0; node < 64; ++node)
        if (std::ifstream(cpu_file(cpu, ("node" + std::to_string(node) + "/cpulist").c_str()))) return node;
    return -1;
}

// Numbers without gaps, in the order in which they are met.
class Numbers {
public:
    unsigned operator()(int key) { return known_.try_emplace(key, static_cast<unsigned>(known_.size())).first->second; }

private:
    std::map<int, unsigned> known_;
};

}  // namespace

Topology host_topology(unsigned cpus) {
    std::vector<Topology::Place> places;
    Numbers cores, caches, nodes;
    for (unsigned cpu = 0; cpu < cpus; ++cpu) {
        const int core = first_of(cpu_file(cpu, "topology/thread_siblings_list"));
        places.push_back(
            {cores(core == -1 ? static_cast<int>(cpu) : core), caches(cache_of(cpu)), nodes(node_of(cpu))});
    }
    return Topology(std::move(places));
}

}  // namespace bottomhalf
