// Topology: which CPUs share a core, a last-level cache, a NUMA node. Affinity scopes of unbound workqueues and the
// split of their limits go by it.
#pragma once

#include <string>
#include <vector>

#include "bottomhalf/base/cpu_mask.hpp"

namespace bottomhalf {

// Linux: enum wq_affn_scope. A pod is the CPUs that share the property.
enum class AffinityScope : std::uint8_t { cpu, smt, cache, numa, system };
const char* scope_name(AffinityScope scope) noexcept;
// Throws InvalidArgument, naming what is allowed. "default" is cache.
AffinityScope scope_of(const std::string& name);

class Topology {
public:
    // Numbers below count from 0 and have no gaps.
    struct Place {
        unsigned core = 0, cache = 0, node = 0;
    };

    // One node and one cache for all, and each CPU a core.
    static Topology flat(unsigned cpus);
    // Evenly divided totals; CPU i is on core i / smt. Throws InvalidArgument.
    static Topology uniform(unsigned nodes, unsigned caches, unsigned cores, unsigned smt);
    explicit Topology(std::vector<Place> places) : places_(std::move(places)) {}

    unsigned cpus() const noexcept { return static_cast<unsigned>(places_.size()); }
    unsigned nodes() const noexcept;
    unsigned node_of(unsigned cpu) const noexcept { return places_[cpu].node; }
    bool same_cache(unsigned one, unsigned other) const noexcept { return places_[one].cache == places_[other].cache; }
    // The CPUs that share the scope's property with this one, itself included.
    CpuMask pod(AffinityScope scope, unsigned cpu) const noexcept;
    // All of them, in the order of their first CPUs.
    std::vector<CpuMask> pods(AffinityScope scope) const;
    // The one node of all these CPUs, or -1.
    int common_node(const CpuMask& cpus) const noexcept;

private:
    std::vector<Place> places_;
};

}  // namespace bottomhalf
