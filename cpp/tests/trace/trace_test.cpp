// The kernel log and the trace rings.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "bottomhalf/trace/kernel_log.hpp"
#include "bottomhalf/trace/sink.hpp"

namespace bottomhalf {
namespace {

TEST(KernelLog, PrintsAsDmesg) {
    KernelLog log;
    log.write(4'000'000, LogLevel::warning, "workqueue: hello");
    log.write(12'345'678'901, LogLevel::err, "later");
    auto lines = log.lines();
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0].to_string(), "[    0.004000] workqueue: hello");
    EXPECT_EQ(lines[1].to_string(), "[   12.345678] later");
    EXPECT_EQ(lines[1].level, LogLevel::err);
}

TEST(KernelLog, KeepsTheLatestLines) {
    KernelLog log(3);
    for (int i = 0; i < 10; ++i) log.write(i, LogLevel::info, std::to_string(i));
    auto lines = log.lines();
    ASSERT_EQ(lines.size(), 3u);
    EXPECT_EQ(lines.front().text, "7");
    EXPECT_EQ(log.written(), 10u);
    log.clear();
    EXPECT_TRUE(log.lines().empty());
    EXPECT_EQ(log.written(), 10u);
}

TEST(KernelLog, ALineGrowsWhileItIsTheLast) {
    KernelLog log;
    log.write(0, LogLevel::info, "one");
    const std::uint64_t number = log.written();
    EXPECT_TRUE(log.extend(number, " and more"));
    log.write(0, LogLevel::info, "two");
    EXPECT_FALSE(log.extend(number, " too late"));
    EXPECT_EQ(log.lines()[0].text, "one and more");
    EXPECT_EQ(log.lines()[1].text, "two");
    log.clear();
    EXPECT_FALSE(log.extend(log.written(), "gone"));
}

TEST(TraceSink, RecordsOnlyWhileOnAndInOrder) {
    TraceSink sink(2);
    EXPECT_FALSE(sink.enabled());
    sink.start();
    EXPECT_TRUE(sink.enabled());
    sink.emit(5, 1, TraceContext::softirq, "ksoftirqd/1", "softirq_entry", "vec=%d [action=%s]", 6, "TASKLET");
    sink.emit(7, 0, TraceContext::task, "kworker/0:1", "workqueue_execute_start", "work=w%d function=%s", 1, "f");
    sink.emit(9, 1, TraceContext::hardirq, "thread", "irq_handler_entry", "irq=%d name=%s", 5, "dev");
    auto records = sink.take();
    ASSERT_EQ(records.size(), 3u);
    EXPECT_STREQ(records[0].name, "softirq_entry");
    EXPECT_STREQ(records[1].name, "workqueue_execute_start");
    EXPECT_STREQ(records[2].name, "irq_handler_entry");
    EXPECT_EQ(records[0].to_string(),
              "[    0.000000005] cpu1 softirq ksoftirqd/1: softirq_entry vec=6 [action=TASKLET]");
    EXPECT_TRUE(sink.take().empty());
    sink.stop();
    EXPECT_FALSE(sink.enabled());
}

TEST(TraceSink, AFullRingCountsWhatItLost) {
    TraceSink sink(1, 4);
    sink.start();
    for (int i = 0; i < 10; ++i) sink.emit(i, 0, TraceContext::task, "t", "e", "i=%d", i);
    EXPECT_EQ(sink.lost(), 6u);
    auto records = sink.take();
    ASSERT_EQ(records.size(), 4u);
    EXPECT_STREQ(records[3].fields, "i=3");
    sink.start();
    EXPECT_EQ(sink.lost(), 0u);
}

TEST(TraceSink, NumbersObjects) {
    TraceSink sink(1);
    int a, b;
    const auto first = sink.id_of(&a);
    EXPECT_EQ(sink.id_of(&a), first);
    EXPECT_NE(sink.id_of(&b), first);
    sink.forget(&a);
    EXPECT_NE(sink.id_of(&a), first);
}

TEST(TraceSink, LongTextsAreCut) {
    TraceSink sink(1);
    sink.start();
    const std::string text(500, 'x');
    sink.emit(0, 0, TraceContext::task, text.c_str(), "e", "%s", text.c_str());
    auto records = sink.take();
    EXPECT_EQ(std::string(records.at(0).fields).size(), sizeof(TraceRecord::fields) - 1);
    EXPECT_EQ(std::string(records.at(0).task).size(), sizeof(TraceRecord::task) - 1);
}

TEST(TraceSink, TakesFromManyThreads) {
    TraceSink sink(2);
    sink.start();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 500; ++i) sink.emit(i, t % 2, TraceContext::task, "t", "e", "i=%d", i);
        });
    for (auto& t : threads) t.join();
    auto records = sink.take();
    EXPECT_EQ(records.size(), 2000u);
    for (std::size_t i = 1; i < records.size(); ++i) EXPECT_LT(records[i - 1].sequence, records[i].sequence);
}

}  // namespace
}  // namespace bottomhalf
