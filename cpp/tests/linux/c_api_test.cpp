// The Linux headers from a module's side: the checks are C (work_in_c.c and its neighbours), each on both kinds of
// machine.
#include <string>

#include "kthread.hpp"
#include "support/machine_fixture.hpp"

extern "C" {
int c_log_lines();
int c_bug();
}

namespace bottomhalf::testing {

namespace {

class CApi : public MachineTest {
protected:
    void SetUp() override {
        MachineTest::SetUp();
        self();  // this thread is a task of the machine from here on
    }
    std::string log_text() {
        std::string all;
        for (const LogLine& line : domain().log.lines()) all += line.text + "\n";
        return all;
    }
    std::size_t count(const std::string& key) {
        std::size_t n = 0;
        for (const LogLine& line : domain().log.lines()) n += line.text.find(key) != std::string::npos ? 1 : 0;
        return n;
    }
};
BH_INSTANTIATE_MACHINES(CApi);

// A function of a C file here: 0, or the line of the check that failed.
#define BH_C_TEST(name)    \
    extern "C" int name(); \
    TEST_P(CApi, name) { EXPECT_EQ(name(), 0) << log_text(); }
BH_C_TEST(c_static_items_run)
BH_C_TEST(c_queue_and_cancel)
BH_C_TEST(c_disable_counts)
BH_C_TEST(c_workqueue_kinds)
BH_C_TEST(c_misuse_goes_on)
BH_C_TEST(c_sleeping_in_atomic_is_reported)
BH_C_TEST(c_elsewhere)
BH_C_TEST(c_rcu_work)
BH_C_TEST(c_attributes)
BH_C_TEST(c_tasklets)
BH_C_TEST(c_tasklet_locks)
BH_C_TEST(c_interrupts)
BH_C_TEST(c_softirq_vector)
BH_C_TEST(c_timers)
BH_C_TEST(c_founding_names)
BH_C_TEST(c_flush_scheduled_work)
BH_C_TEST(c_old_forms)
BH_C_TEST(c_old_delays)
BH_C_TEST(c_init_of_what_is_active)
BH_C_TEST(c_cross_calls)
BH_C_TEST(c_irq_work)
BH_C_TEST(c_handler_that_enables_interrupts)
BH_C_TEST(c_percpu_fields)
BH_C_TEST(c_rcu_callbacks)
BH_C_TEST(c_rcu_callback_that_calls_again)
BH_C_TEST(c_hrtimer_frees_itself)
BH_C_TEST(c_hrtimer_cancelled_by_its_softirq)
BH_C_TEST(c_hrtimer_misuse)
BH_C_TEST(c_kthread_that_ends_itself)
BH_C_TEST(c_hrtimers)
BH_C_TEST(c_hrtimers_soft)
BH_C_TEST(c_configuration)
BH_C_TEST(c_gpio)
BH_C_TEST(c_gpio_descriptors)
BH_C_TEST(c_gpio_misuse)
BH_C_TEST(c_contexts)
BH_C_TEST(c_jiffies)
BH_C_TEST(c_completions)
BH_C_TEST(c_wait_queues)
BH_C_TEST(c_kthreads)
BH_C_TEST(c_kthread_workers)
BH_C_TEST(c_kthreads_that_ended)
BH_C_TEST(c_locks)
BH_C_TEST(c_containers)
BH_C_TEST(c_formats)
BH_C_TEST(c_lists)
BH_C_TEST(c_idr)
BH_C_TEST(c_xarray)
BH_C_TEST(c_rbtree_stays_balanced)
BH_C_TEST(c_rbtree_helpers)
BH_C_TEST(c_numbers)
BH_C_TEST(c_strings)
BH_C_TEST(c_options)
BH_C_TEST(c_static_keys)
BH_C_TEST(c_looks)

TEST_P(CApi, MisuseIsInTheLogInLinuxsWords) {
    ASSERT_EQ(c_misuse_goes_on(), 0) << log_text();
    EXPECT_EQ(count("workqueue: max_active 100000 requested for clamped is out of range, clamping between 1 and 512"),
              1u);
    EXPECT_GE(count("------------[ cut here ]------------"), 3u);
    EXPECT_GE(count("WARNING: CPU: "), 3u);
    ASSERT_EQ(c_sleeping_in_atomic_is_reported(), 0);
    EXPECT_GE(count("BUG: scheduling while atomic: "), 1u) << log_text();
    ASSERT_EQ(c_interrupts(), 0);
    EXPECT_EQ(count("Unbalanced enable for IRQ 42"), 1u);
    EXPECT_EQ(count("Trying to free already-free IRQ 42"), 1u);
    ASSERT_EQ(c_gpio_misuse(), 0);
    EXPECT_EQ(count("gpio_request: invalid GPIO 5000"), 1u);
    EXPECT_EQ(count("gpio_set_value: invalid GPIO 5000"), 1u);
    EXPECT_EQ(count("GPIO 5 is not requested"), 1u);
    ASSERT_EQ(c_gpio(), 0);
    EXPECT_EQ(count("gpio-17: gpio_direction_output: tried to set a GPIO tied to an IRQ as output"), 1u);
}

TEST_P(CApi, WhatIsSetUpWhileItIsActiveIsReported) {
    ASSERT_EQ(c_init_of_what_is_active(), 0) << log_text();
    EXPECT_EQ(count("ODEBUG: init active object type: work_struct hint: "), 1u) << log_text();
    EXPECT_EQ(count("ODEBUG: init active object type: delayed_work hint: "), 1u);
    EXPECT_EQ(count("ODEBUG: init active object type: timer_list hint: "), 1u);
    ASSERT_EQ(c_hrtimer_misuse(), 0) << log_text();
    EXPECT_EQ(count("ODEBUG: init active object type: hrtimer"), 1u);
    EXPECT_EQ(count("hrtimer_start: the timer was never set up"), 1u);
    ASSERT_EQ(c_hrtimers_soft(), 0) << log_text();
    EXPECT_EQ(count("hrtimer_start: the timer was set up with HRTIMER_MODE_SOFT"), 1u);
    ASSERT_EQ(c_handler_that_enables_interrupts(), 0) << log_text();
    EXPECT_EQ(count("local_irq_enable: in a hard interrupt, which keeps interrupts off"), 1u);
}

TEST_P(CApi, AThreadThatToldOfItsEndRunsNoCodeOfTheModules) {
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(c_kthread_that_ends_itself(), 0) << log_text();
        EXPECT_TRUE(linux_api::running_kthreads(domain()).empty());
    }
    EXPECT_EQ(count("DEBUG_RWSEMS_WARN_ON: up_read"), 1u);
}

TEST_P(CApi, LinesOfTheLog) {
    ASSERT_EQ(c_log_lines(), 0) << log_text();
    const auto lines = domain().log.lines();
    ASSERT_GE(lines.size(), 5u);
    EXPECT_EQ(lines[0].text, "no level");
    EXPECT_EQ(lines[0].level, LogLevel::warning);
    EXPECT_EQ(lines[1].text, "first and second");
    EXPECT_EQ(lines[1].level, LogLevel::info);
    EXPECT_EQ(lines[2].text, "two");
    EXPECT_EQ(lines[3].text, "lines");
    EXPECT_EQ(lines[3].level, LogLevel::err);
    EXPECT_EQ(lines[4].text, "debug 1");
    EXPECT_EQ(lines[5].text, "hex 00000000: 64636261 68676665 34333231 38373635  abcdefgh12345678");
    EXPECT_EQ(lines[6].text, "hex 00000010: 41 42                                            AB");
    EXPECT_EQ(count("never"), 0u);
    EXPECT_EQ(count("often"), 10u);
    // Once in the life of a module, which here is the process.
    EXPECT_LE(count("once"), 1u);
    EXPECT_GE(count("WARNING: CPU: "), 1u);
}

TEST_P(CApi, BugEndsTheCallAndNotTheProcess) {
    EXPECT_THROW(c_bug(), MisuseError);
    EXPECT_EQ(count("kernel BUG at "), 1u);
}

}  // namespace

}  // namespace bottomhalf::testing
