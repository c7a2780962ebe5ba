// Topologies and their pods.
#include "bottomhalf/sched/topology.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "bottomhalf/base/error.hpp"
#include "bottomhalf/sched/host/factory.hpp"

namespace bottomhalf {
namespace {

TEST(Topology, FlatIsOneNodeAndOneCache) {
    const Topology t = Topology::flat(4);
    EXPECT_EQ(t.cpus(), 4u);
    EXPECT_EQ(t.nodes(), 1u);
    EXPECT_EQ(t.pod(AffinityScope::smt, 2).to_list(), "2");
    EXPECT_EQ(t.pod(AffinityScope::cache, 2).to_list(), "0-3");
}

TEST(Topology, UniformDividesEvenly) {
    const Topology t = Topology::uniform(2, 4, 12, 2);
    EXPECT_EQ(t.cpus(), 24u);
    EXPECT_EQ(t.nodes(), 2u);
    EXPECT_EQ(t.pod(AffinityScope::cpu, 13).to_list(), "13");
    EXPECT_EQ(t.pod(AffinityScope::smt, 13).to_list(), "12-13");
    EXPECT_EQ(t.pod(AffinityScope::cache, 13).to_list(), "12-17");
    EXPECT_EQ(t.pod(AffinityScope::numa, 13).to_list(), "12-23");
    EXPECT_EQ(t.pod(AffinityScope::system, 13).to_list(), "0-23");
    EXPECT_EQ(t.common_node(CpuMask::of(13)), 1);
    EXPECT_EQ(t.common_node(CpuMask::first_n(12)), 0);
    EXPECT_EQ(t.common_node(CpuMask::first_n(13)), -1);
}

TEST(Topology, RefusesWhatCannotBe) {
    EXPECT_THROW(Topology::uniform(2, 1, 4, 1), InvalidArgument);
    EXPECT_THROW(Topology::uniform(1, 2, 1, 1), InvalidArgument);
    EXPECT_THROW(Topology::uniform(1, 1, 1, 0), InvalidArgument);
    EXPECT_THROW(Topology::uniform(1, 1, kMaxCpus, 2), InvalidArgument);
    EXPECT_THROW(scope_of("socket"), InvalidArgument);
    EXPECT_EQ(scope_of("default"), AffinityScope::cache);
}

TEST(Topology, CpusThatTheHostLacksAreNoFarther) {
    const unsigned there = std::min(static_cast<unsigned>(sysconf(_SC_NPROCESSORS_CONF)), kMaxCpus - 2);
    const Topology told = host_topology(there), more = host_topology(there + 2);
    EXPECT_EQ(more.nodes(), told.nodes());
    for (const AffinityScope scope : {AffinityScope::cache, AffinityScope::numa}) {
        EXPECT_EQ(more.pods(scope).size(), told.pods(scope).size());
        EXPECT_EQ(more.pod(scope, there + 1).to_list(), more.pod(scope, 0).to_list());
    }
    EXPECT_EQ(more.pod(AffinityScope::smt, there).to_list(), std::to_string(there));
}

}  // namespace
}  // namespace bottomhalf
