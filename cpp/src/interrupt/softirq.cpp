#include "bottomhalf/interrupt/softirq.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdio>
#include <iterator>
#include <string_view>

namespace bottomhalf {

namespace {

// At most ten passes, or two milliseconds (rounded up to whole ticks), whichever comes first: then ksoftirqd.
constexpr int kMaxPasses = 10;
constexpr Nanoseconds time_budget(unsigned hz) noexcept { return jiffies_to_ns(msecs_to_jiffies(2, hz), hz); }

bool softirqs_pending(Domain& domain, unsigned cpu) { return domain.softirqs->pending(cpu) != 0; }

}  // namespace

const char* softirq_name(Softirq nr) noexcept {
    static const char* const names[] = {"HI",       "TIMER",   "NET_TX", "NET_RX",  "BLOCK",
                                        "IRQ_POLL", "TASKLET", "SCHED",  "HRTIMER", "RCU"};
    return names[static_cast<unsigned>(nr)];
}

Softirqs::Softirqs(Domain& domain) : domain_(domain) {
    for (unsigned i = 0; i < domain.nr_cpus; ++i) {
        per_cpu_.push_back(std::make_unique<PerCpu>());
        per_cpu_.back()->owner = this;
        per_cpu_.back()->id = i;
    }
    domain.softirqs = this;
    domain.hooks.softirq_pending = softirqs_pending;
    domain.hooks.run_softirqs = [](Domain& d, unsigned cpu, Task& self) { return d.softirqs->process(cpu, self); };
}

Softirqs::~Softirqs() {
    domain_.hooks.softirq_pending = nullptr;
    domain_.hooks.run_softirqs = nullptr;
    domain_.softirqs = nullptr;
}

void Softirqs::start() {
    for (unsigned cpu = 0; cpu < per_cpu_.size(); ++cpu) {
        char name[Task::kNameSize];
        static constexpr std::string_view prefix = "ksoftirqd/";
        *std::to_chars(std::copy(prefix.begin(), prefix.end(), name), std::end(name), cpu).ptr = '\0';
        per_cpu_[cpu]->ksoftirqd = &domain_.spawn_dormant(
            name,
            [](Task& self, void* arg) {
                const auto* mine = static_cast<PerCpu*>(arg);
                mine->owner->ksoftirqd_main(self, mine->id);
            },
            per_cpu_[cpu].get(), static_cast<int>(cpu), 0);
    }
}

void Softirqs::stop() {
    stopping_.store(true);
    for (auto& cpu : per_cpu_) {
        Task* ksoftirqd = cpu->ksoftirqd.load();
        if (ksoftirqd == nullptr) continue;
        if (!domain_.substrate->dormant(*ksoftirqd) || cpu->pending.load() != 0) domain_.substrate->wake(*ksoftirqd);
        ended_.push_back(domain_.join_and_keep(*ksoftirqd));
        cpu->ksoftirqd.store(nullptr);
    }
}

void Softirqs::cpu_up(unsigned cpu) {
    Task* ksoftirqd = per_cpu_[cpu]->ksoftirqd;
    if (ksoftirqd != nullptr && domain_.simulated) domain_.substrate->rebind(*ksoftirqd, static_cast<int>(cpu));
}

void Softirqs::open(Softirq nr, SoftirqHandler handler, void* arg, bool gated) {
    auto vector = std::make_unique<Vector>(Vector{handler, arg, gated, nr, false});
    RawGuard guard(open_lock_);
    vectors_[static_cast<unsigned>(nr)].store(vector.get());
    // The one before may still be running somewhere: it lives as long as the machine.
    vector_storage_.push_back(std::move(vector));
}

void Softirqs::close(Softirq nr, SoftirqHandler handler, void* arg) {
    RawGuard guard(open_lock_);
    const Vector* before = nullptr;
    for (auto& vector : vector_storage_) {
        if (vector->nr != nr) continue;
        if (vector->handler == handler && vector->arg == arg)
            vector->closed = true;
        else if (!vector->closed)
            before = vector.get();
    }
    vectors_[static_cast<unsigned>(nr)].store(before);
}

std::vector<Softirqs::Opened> Softirqs::opened() {
    std::vector<Opened> all;
    RawGuard guard(open_lock_);
    for (auto& vector : vector_storage_)
        if (!vector->closed) all.push_back({vector->nr, vector->handler, vector->arg});
    return all;
}

void Softirqs::wake_ksoftirqd(unsigned cpu) noexcept {
    if (Task* ksoftirqd = per_cpu_[cpu]->ksoftirqd.load(std::memory_order_acquire)) domain_.substrate->wake(*ksoftirqd);
}

void Softirqs::raise(Softirq nr, unsigned cpu, Task& self) {
    BH_TRACE(domain_, cpu, self, "softirq_raise", "vec=%u [action=%s]", static_cast<unsigned>(nr), softirq_name(nr));
    if (domain_.simulated) [[unlikely]]
        order_release(&per_cpu_[cpu]->counts[static_cast<unsigned>(nr)]);
    raise_pending(nr, cpu);
    // The exit of this interrupt, or this task's local_bh_enable, is going to look.
    if (preempt::in_interrupt(self.preempt_count) && self.cpu.load(std::memory_order_relaxed) == static_cast<int>(cpu))
        return;
    wake_ksoftirqd(cpu);
}

bool Softirqs::must_defer(unsigned cpu, const Task& self) const noexcept {
    if (self.may_gate) return false;
    const PerCpu& mine = *per_cpu_[cpu];
    std::uint32_t bits = mine.pending.load();
    while (bits != 0) {
        auto nr = static_cast<unsigned>(std::countr_zero(bits));
        bits &= bits - 1;
        const Vector* vector = vectors_[nr].load();
        if ((vector != nullptr && vector->gated) || mine.gated[nr].load(std::memory_order_relaxed) > 0) return true;
    }
    return false;
}

bool Softirqs::process(unsigned cpu, Task& self) {
    PerCpu& mine = *per_cpu_[cpu];
    bool left = false;
    self.preempt_count += preempt::kSoftirqOffset;
    if (domain_.simulated) [[unlikely]]
        order_acquire(&domain_.cpu(cpu).bh_owner);
    {
        GatePass pass(self);
        // Virtual time costs nothing to read; on the host the clock is read only when a second pass is asked for.
        Nanoseconds limit = domain_.substrate->simulated() ? domain_.now() + time_budget(domain_.hz) : 0;
        for (int round = 0;; ++round) {
            left = must_defer(cpu, self);
            if (left) break;
            // Looked at first: most calls end here after one pass, and the outermost caller looks again anyway.
            if (mine.pending.load() == 0) break;
            std::uint32_t bits = mine.pending.exchange(0);
            if (round == 1 && limit == 0) {
                limit = domain_.now() + time_budget(domain_.hz);
            } else if (round != 0 && (round >= kMaxPasses || domain_.now() >= limit)) {
                mine.pending.fetch_or(bits);
                left = true;
                break;
            }
            while (bits != 0) {
                auto nr = static_cast<unsigned>(std::countr_zero(bits));
                bits &= bits - 1;
                const Vector* vector = vectors_[nr].load(std::memory_order_acquire);
                ++mine.counts[nr];
                if (vector == nullptr) continue;
                const std::uint32_t before = self.preempt_count;
                if (domain_.access_order != nullptr) [[unlikely]] {
                    order_acquire(&mine.counts[nr]);
                    domain_.access_order->name_handler(self, softirq_name(static_cast<Softirq>(nr)));
                }
                BH_TRACE(domain_, cpu, self, "softirq_entry", "vec=%u [action=%s]", nr,
                         softirq_name(static_cast<Softirq>(nr)));
                try {
                    vector->handler(domain_, cpu, self, pass, vector->arg);
                } catch (const ModuleExit&) {
                } catch (const std::exception& e) {
                    domain_.log.write(domain_.now(), LogLevel::err,
                                      std::string("softirq ") + softirq_name(static_cast<Softirq>(nr)) +
                                          ": exception left the handler: " + e.what());
                }
                BH_TRACE(domain_, cpu, self, "softirq_exit", "vec=%u [action=%s]", nr,
                         softirq_name(static_cast<Softirq>(nr)));
                if (self.preempt_count != before) {
                    char text[160];
                    std::snprintf(text, sizeof text,
                                  "huh, entered softirq %u %s with preempt_count %08x, exited with %08x?", nr,
                                  softirq_name(static_cast<Softirq>(nr)), before, self.preempt_count);
                    domain_.log.write(domain_.now(), LogLevel::err, text);
                    self.preempt_count = before;
                }
            }
        }
    }
    if (domain_.simulated) [[unlikely]]
        order_release(&domain_.cpu(cpu).bh_owner);
    self.preempt_count -= preempt::kSoftirqOffset;
    if (left) wake_ksoftirqd(cpu);
    return left;
}

void Softirqs::run_at_irq_exit(unsigned cpu_id, Task& self) {
    if (pending(cpu_id) == 0) return;
    Cpu& cpu = domain_.cpu(cpu_id);
    if (preempt::in_interrupt(self.preempt_count) || self.irqs_off != 0 || must_defer(cpu_id, self)) {
        // On this CPU the interrupted section looks when it ends; another CPU's softirqs would wait for nobody.
        if (cpu.bh_owner.load() != &self) wake_ksoftirqd(cpu_id);
        return;
    }
    do {
        // Whoever holds the CPU's bottom halves looks again after letting go.
        if (!cpu.try_own_bh(self)) return;
        const bool left = process(cpu_id, self);
        cpu.disown_bh(self);
        if (left) return;
    } while (pending(cpu_id) != 0 && !must_defer(cpu_id, self));
}

void Softirqs::ksoftirqd_main(Task& self, unsigned cpu_id) {
    Cpu& cpu = domain_.cpu(cpu_id);
    for (;;) {
        if (pending(cpu_id) != 0) {
            cpu.own_bh(self);
            process(cpu_id, self);
            cpu.disown_bh(self);
            domain_.substrate->yield(self);
            continue;
        }
        if (stopping_.load()) return;
        self.state.store(TaskState::idle);
        if (domain_.substrate->block(self, kForever) == Wake::exit && stopping_.load()) return;
        self.state.store(TaskState::running);
    }
}

bool try_hardirq_enter(Task& self, unsigned cpu_id, int& saved_cpu) {
    Domain& domain = *self.domain.load(std::memory_order_relaxed);
    if (!domain.cpu(cpu_id).try_own_irq(self)) return false;
    saved_cpu = self.cpu.load(std::memory_order_relaxed);
    self.cpu.store(static_cast<int>(cpu_id), std::memory_order_relaxed);
    self.preempt_count += preempt::kHardirqOffset;
    ++self.irqs_off;
    if (domain.simulated) [[unlikely]]
        order_acquire(&domain.cpu(cpu_id).irq_owner);
    return true;
}

void hardirq_exit(Task& self, int saved_cpu) {
    Domain& domain = *self.domain.load(std::memory_order_relaxed);
    const auto cpu_id = static_cast<unsigned>(self.cpu.load(std::memory_order_relaxed));
    if (domain.simulated) [[unlikely]]
        order_release(&domain.cpu(cpu_id).irq_owner);
    self.preempt_count -= preempt::kHardirqOffset;
    --self.irqs_off;
    domain.cpu(cpu_id).disown_irq(self);
    if (domain.hooks.irq_latched != nullptr && domain.hooks.irq_latched(domain, cpu_id))
        domain.hooks.deliver_irqs(domain, cpu_id, self);
    domain.softirqs->run_at_irq_exit(cpu_id, self);
    self.cpu.store(saved_cpu, std::memory_order_relaxed);
}

}  // namespace bottomhalf
