#include "stage.hpp"

namespace bottomhalf::testing {

void Probe::require(bool holds, const std::string& what) { stage_.require(holds, name_ + " " + what); }

void Probe::run() {
    require(inside_++ == 0, "runs twice at once");
    const std::size_t index = runs_.size();
    runs_.push_back({stage_.tick(), 0, data_});
    if (body) body();
    explore_point();
    runs_[index].ended = stage_.tick();
    --inside_;
}

bool Probe::queues(const std::function<bool()>& call) {
    const int began = begun_ = stage_.tick(), taken = taken_;
    ++open_;
    ++data_;
    bool yes = false;
    try {
        yes = call();
    } catch (const WorkqueueDraining&) {
        disturbed_ = true;  // it promises nothing
    }
    --open_;
    // "No" may mean that it is disabled just now.
    if (began > returned_ && (yes || !disturbed_)) {
        returned_ = began;
        taken_before_ = taken;
    }
    queued_ += yes ? 1 : 0;
    return yes;
}

bool Probe::queue(Workqueue& wq, int cpu) {
    return queues([&] { return wq.queue(work(), cpu); });
}

bool Probe::queue_delayed(Workqueue& wq, Jiffies delay, int cpu) {
    delayed_ = true;
    return queues([&] { return queue_delayed_work(wq, dwork_, delay, cpu); });
}

bool Probe::mod_delayed(Workqueue& wq, Jiffies delay, int cpu) {
    bool taken = false;
    delayed_ = true;
    queues([&] {
        bool armed = false;
        mod_delayed_work(wq, dwork_, delay, cpu, &taken, &armed);
        return armed;
    });
    taken_ += taken ? 1 : 0;
    taken_before_ += taken ? 1 : 0;
    return taken;
}

bool Probe::requeue(Workqueue& wq) {
    ++data_;
    const bool yes = wq.queue(work());
    queued_ += yes ? 1 : 0;
    return yes;
}

// silent: the name of a call after which it does not run any more.
bool Probe::takes(const std::function<bool()>& call, const char* silent) {
    disturbed_ = true;
    const int began = stage_.tick();
    const bool alone = open_ == 0;
    const bool yes = call();
    taken_ += yes ? 1 : 0;
    if (silent == nullptr || !alone || begun_ > began) return yes;
    require(inside_ == 0, std::string("runs while ") + silent + " returns");
    const int before = runs();
    stage_.at_end([this, began, before, silent] {
        if (begun_ < began) require(runs() == before, std::string("ran after ") + silent + " had returned");
    });
    return yes;
}

bool Probe::cancel() {
    return takes([&] { return cancel_work(work()); });
}
bool Probe::cancel_sync() {
    return takes([&] { return cancel_work_sync(work()); }, "cancel_work_sync");
}
bool Probe::cancel_delayed() {
    return takes([&] { return cancel_delayed_work(dwork_); });
}
bool Probe::cancel_delayed_sync() {
    return takes([&] { return cancel_delayed_work_sync(dwork_); }, "cancel_delayed_work_sync");
}
void Probe::disable() {
    takes([&] { return disable_delayed_work(dwork_); });
}
void Probe::disable_sync() {
    takes([&] { return disable_delayed_work_sync(dwork_); });
    const int before = runs();
    require(inside_ == 0, "runs while disable_work_sync returns");
    explore_point();
    require(runs() == before, "runs while it is disabled");
}
bool Probe::enable() { return enable_work(work()); }

void Probe::expect_flushed(const char* call, const std::function<void()>& flush) {
    const int last = returned_, taken = taken_before_;
    flush();
    const int now = stage_.tick();
    if (last == 0) return;
    stage_.at_end([this, call, last, taken, now] {
        if (taken_ != taken) return;  // perhaps this very instance
        bool done = false;
        for (const Run& run : runs_) done |= run.started > last && run.ended != 0 && run.ended < now;
        require(done, std::string("had not run when ") + call + " returned");
    });
}

void Probe::flush(Nanoseconds deadline) {
    // It does not wait for a timer.
    if (delayed_)
        flush_work(work(), deadline);
    else
        expect_flushed("flush_work", [&] { flush_work(work(), deadline); });
}
void Probe::flush_delayed() {
    expect_flushed("flush_delayed_work", [&] { flush_delayed_work(dwork_); });
}

void Probe::check() {
    require(inside_ == 0, "still runs");
    require(!work().pending(), "is still pending");
    require(runs() == queued_ - taken_, "was queued " + std::to_string(queued_) + " times and taken back " +
                                            std::to_string(taken_) + " times, and ran " + std::to_string(runs()) +
                                            " times");
    if (begun_ == 0 || disturbed_ || taken_ != 0 || runs_.empty()) return;
    require(runs_.back().started > begun_, "did not run after it was queued last");
    require(runs_.back().data == data_, "did not see what was stored before it was queued");
}

}  // namespace bottomhalf::testing
