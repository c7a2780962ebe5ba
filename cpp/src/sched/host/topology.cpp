// The topology that the system tells of in /sys. Logical CPU i is the system's CPU i while there is one, or another of
// the same cache (the seats of host/substrate). A CPU of which
// nothing is told has a core of its own, and the cache and node of CPU 0: made up are CPUs, not distances.
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
    const int first_cache = cache_of(0), first_node = node_of(0);
    const auto or_else = [](int told, int otherwise) { return told == -1 ? otherwise : told; };
    for (unsigned cpu = 0; cpu < cpus; ++cpu) {
        const int core = or_else(first_of(cpu_file(cpu, "topology/thread_siblings_list")), static_cast<int>(cpu));
        places.push_back(
            {cores(core), caches(or_else(cache_of(cpu), first_cache)), nodes(or_else(node_of(cpu), first_node))});
    }
    return Topology(std::move(places));
}

}  // namespace bottomhalf
