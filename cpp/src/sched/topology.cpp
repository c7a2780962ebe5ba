#include "bottomhalf/sched/topology.hpp"

#include <algorithm>

#include "bottomhalf/base/error.hpp"

namespace bottomhalf {

const char* scope_name(AffinityScope scope) noexcept {
    static const char* const names[] = {"cpu", "smt", "cache", "numa", "system"};
    return names[static_cast<unsigned>(scope)];
}

AffinityScope scope_of(const std::string& name) {
    if (name == "default") return AffinityScope::cache;
    for (auto scope :
         {AffinityScope::cpu, AffinityScope::smt, AffinityScope::cache, AffinityScope::numa, AffinityScope::system})
        if (name == scope_name(scope)) return scope;
    throw InvalidArgument("affinity_scope='" + name +
                          "' is no scope: allowed are 'default', 'cpu', 'smt', 'cache', 'numa' and 'system'");
}

Topology Topology::flat(unsigned cpus) {
    std::vector<Place> places;
    for (unsigned cpu = 0; cpu < cpus; ++cpu) places.push_back({cpu, 0, 0});
    return Topology(std::move(places));
}

Topology Topology::uniform(unsigned nodes, unsigned caches, unsigned cores, unsigned smt) {
    const std::string what = "topology of " + std::to_string(nodes) + " nodes, " + std::to_string(caches) +
                             " caches, " + std::to_string(cores) + " cores, " + std::to_string(smt) + " threads a core";
    if (nodes == 0 || caches < nodes || cores < caches || smt == 0)
        throw InvalidArgument(what + ": each node needs a cache of its own, each cache a core, each core a thread");
    if (cores > kMaxCpus || smt > kMaxCpus / cores)
        throw InvalidArgument(what + ": more CPUs than " + std::to_string(kMaxCpus));
    std::vector<Place> places;
    for (unsigned core = 0; core < cores; ++core) {
        const unsigned cache = core * caches / cores;
        for (unsigned thread = 0; thread < smt; ++thread) places.push_back({core, cache, cache * nodes / caches});
    }
    return Topology(std::move(places));
}

unsigned Topology::nodes() const noexcept {
    unsigned n = 0;
    for (const Place& place : places_) n = std::max(n, place.node + 1);
    return n;
}

CpuMask Topology::pod(AffinityScope scope, unsigned cpu) const noexcept {
    CpuMask mask;
    const Place& mine = places_[cpu];
    for (unsigned other = 0; other < places_.size(); ++other) {
        const Place& place = places_[other];
        const bool shared = scope == AffinityScope::system ||
                            (scope == AffinityScope::numa && place.node == mine.node) ||
                            (scope == AffinityScope::cache && place.cache == mine.cache) ||
                            (scope == AffinityScope::smt && place.core == mine.core) || other == cpu;
        if (shared) mask.set(other);
    }
    return mask;
}

std::vector<CpuMask> Topology::pods(AffinityScope scope) const {
    std::vector<CpuMask> all;
    CpuMask seen;
    for (unsigned cpu = 0; cpu < cpus(); ++cpu) {
        if (seen.test(cpu)) continue;
        all.push_back(pod(scope, cpu));
        seen = seen | all.back();
    }
    return all;
}

int Topology::common_node(const CpuMask& cpus) const noexcept {
    int node = -1;
    for (unsigned cpu = cpus.first(); cpu < places_.size(); cpu = cpus.next(cpu + 1)) {
        if (node != -1 && node != static_cast<int>(places_[cpu].node)) return -1;
        node = static_cast<int>(places_[cpu].node);
    }
    return node;
}

}  // namespace bottomhalf
