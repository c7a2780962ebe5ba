// Schedules of simulated machines, as bottomhalf.schedules and bottomhalf.explore make and read them.
#include "simulated.hpp"

#include "bottomhalf/sched/simulated/schedules.hpp"

namespace bh_python {

namespace {

using DeviationTuple = std::tuple<std::uint64_t, unsigned, unsigned, unsigned, std::uint32_t>;

DeviationTuple tuple_of(const Deviation& d) {
    return {d.step, static_cast<unsigned>(d.decision), d.choice, d.candidates, d.before};
}

std::vector<Deviation> deviations_of(const std::vector<DeviationTuple>& tuples) {
    std::vector<Deviation> all;
    for (auto& [step, decision, choice, candidates, before] : tuples) {
        if (decision > static_cast<unsigned>(Decision::tick)) throw py::value_error("no such kind of decision");
        all.push_back({step, static_cast<Decision>(decision), choice, candidates, before});
    }
    return all;
}

// Whatever decides, what it decided is kept.
class RecordedMaker : public ScheduleMaker {
public:
    std::unique_ptr<Schedule> make() final {
        auto inner = decide();
        if (inner == nullptr) return nullptr;
        auto recorder = std::make_unique<Recorder>(std::move(inner));
        recording_ = recorder->recording();
        return recorder;
    }
    const Recording* recording() const noexcept { return recording_.get(); }

protected:
    virtual std::unique_ptr<Schedule> decide() = 0;

private:
    std::shared_ptr<const Recording> recording_;  // of the latest machine
};

class FifoMaker final : public RecordedMaker {
    std::unique_ptr<Schedule> decide() override { return std::make_unique<Fifo>(); }
};

class RandomMaker final : public RecordedMaker {
public:
    explicit RandomMaker(std::uint64_t seed) : seed_(seed) {}

private:
    std::unique_ptr<Schedule> decide() override { return std::make_unique<RandomSchedule>(seed_); }
    const std::uint64_t seed_;
};

class PctMaker final : public RecordedMaker {
public:
    PctMaker(unsigned depth, std::uint64_t seed, std::uint64_t steps) : depth_(depth), seed_(seed), steps_(steps) {}

private:
    std::unique_ptr<Schedule> decide() override { return std::make_unique<PctSchedule>(depth_, seed_, steps_); }
    const unsigned depth_;
    const std::uint64_t seed_, steps_;
};

class ReplayMaker final : public RecordedMaker {
public:
    ReplayMaker(const std::vector<DeviationTuple>& deviations, bool lenient, std::uint64_t watched_step)
        : deviations_(deviations_of(deviations)), lenient_(lenient), watched_step_(watched_step) {}
    const std::vector<Deviation>& given() const noexcept { return deviations_; }
    const ReplaySchedule::Outcome* outcome() const noexcept { return outcome_.get(); }

private:
    std::unique_ptr<Schedule> decide() override {
        auto schedule = std::make_unique<ReplaySchedule>(
            deviations_, lenient_ ? ReplaySchedule::Mode::lenient : ReplaySchedule::Mode::exact, watched_step_);
        outcome_ = schedule->outcome();
        return schedule;
    }
    const std::vector<Deviation> deviations_;
    const bool lenient_;
    const std::uint64_t watched_step_;
    std::shared_ptr<const ReplaySchedule::Outcome> outcome_;
};

class SearchMaker final : public RecordedMaker {
public:
    explicit SearchMaker(unsigned preemptions) : search_(preemptions) {}
    ExhaustiveSearch& search() noexcept { return search_; }

private:
    std::unique_ptr<Schedule> decide() override { return search_.next_run(); }
    ExhaustiveSearch search_;
};

}  // namespace

void register_schedules(py::module_& m) {
    m.def("_schedule_seed", [](std::uint64_t seed, std::uint64_t run) {
        return ScheduleRandom(ScheduleRandom(seed).next() + run).next();
    });
    py::class_<ScheduleMaker, std::shared_ptr<ScheduleMaker>>(m, "_Schedule");
    py::class_<RecordedMaker, ScheduleMaker, std::shared_ptr<RecordedMaker>> recorded(m, "_RecordedSchedule");
    recorded.def("recording", [](const RecordedMaker& maker) -> py::object {
        const Recording* r = maker.recording();
        if (r == nullptr) return py::none();
        std::vector<DeviationTuple> deviations;
        for (const Deviation& d : r->deviations) deviations.push_back(tuple_of(d));
        return py::make_tuple(r->decisions, r->digest, deviations);
    });
    // Without the deviations, which are many and of interest only when the run failed.
    recorded.def("recorded", [](const RecordedMaker& maker) {
        const Recording* r = maker.recording();
        return r == nullptr ? std::pair<std::uint64_t, std::uint64_t>() : std::pair(r->decisions, r->digest);
    });
    py::class_<FifoMaker, RecordedMaker, std::shared_ptr<FifoMaker>>(m, "_FifoSchedule").def(py::init<>());
    py::class_<RandomMaker, RecordedMaker, std::shared_ptr<RandomMaker>>(m, "_RandomSchedule")
        .def(py::init<std::uint64_t>());
    py::class_<PctMaker, RecordedMaker, std::shared_ptr<PctMaker>>(m, "_PctSchedule")
        .def(py::init<unsigned, std::uint64_t, std::uint64_t>());
    py::class_<ReplayMaker, RecordedMaker, std::shared_ptr<ReplayMaker>>(m, "_ReplaySchedule")
        .def(py::init<const std::vector<DeviationTuple>&, bool, std::uint64_t>())
        .def("watched",
             [](const ReplayMaker& maker) {
                 return maker.outcome() != nullptr ? maker.outcome()->watched : std::optional<std::uint32_t>();
             })
        .def("used", [](const ReplayMaker& maker) { return maker.outcome() != nullptr ? maker.outcome()->used : 0; })
        .def("given", [](const ReplayMaker& maker) { return maker.given().size(); })
        .def("next_step", [](const ReplayMaker& maker) { return maker.given().at(maker.outcome()->used).step; })
        .def("mismatch", [](const ReplayMaker& maker) -> py::object {
            const ReplaySchedule::Outcome* o = maker.outcome();
            if (o == nullptr || !o->mismatch) return py::none();
            return py::make_tuple(tuple_of(o->mismatch->expected), static_cast<unsigned>(o->mismatch->found),
                                  o->mismatch->candidates);
        });
    py::class_<SearchMaker, RecordedMaker, std::shared_ptr<SearchMaker>>(m, "_SearchSchedule")
        .def(py::init<unsigned>())
        .def("run_over", [](SearchMaker& maker) { maker.search().run_over(); })
        .def_property_readonly("exhausted", [](SearchMaker& maker) { return maker.search().exhausted(); })
        .def_property_readonly("diverged", [](SearchMaker& maker) { return maker.search().diverged(); });
}

}  // namespace bh_python
