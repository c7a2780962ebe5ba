// Measuring competitors fairly on a machine that others use too.
//
// A group is a question ("one producer, N items"); its cases are ours and the peers'. Every round runs all cases of a
// group one after the other, so that what else the machine does hits all alike; the answer is the median over the
// rounds, and its ratio to the group's first case, which is ours.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

using Clock = std::chrono::steady_clock;

inline double ns_since(Clock::time_point begin) {
    return std::chrono::duration<double, std::nano>(Clock::now() - begin).count();
}

inline double cpu_ns() {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

inline double median(std::vector<double> v) {
    if (v.empty()) return 0;
    std::sort(v.begin(), v.end());
    return v.size() % 2 != 0 ? v[v.size() / 2] : (v[v.size() / 2 - 1] + v[v.size() / 2]) / 2;
}

struct Case {
    std::string name;
    std::function<double()> run;  // one round: the unit of the group for each operation
    std::vector<double> samples{};
    std::vector<double> cpu{};  // the same in CPU time
};

struct Group {
    std::string name;
    std::string unit;
    std::vector<Case> cases;
};

struct Options {
    int rounds = 7;
    std::size_t items = 300'000;
    std::string only;  // groups whose name contains it
    std::string json;  // a file, or "-"

    static Options parse(int argc, char** argv) {
        Options o;
        for (int i = 1; i < argc; ++i) {
            const std::string_view arg = argv[i];
            auto value = [&](std::string_view key) -> const char* {
                if (!arg.starts_with(key)) return nullptr;
                if (arg.size() > key.size() && arg[key.size()] == '=') return argv[i] + key.size() + 1;
                return arg.size() == key.size() && i + 1 < argc ? argv[++i] : nullptr;
            };
            if (const char* v = value("--rounds"))
                o.rounds = std::max(1, std::atoi(v));
            else if (const char* v = value("--items"))
                o.items = std::max(1000ul, std::strtoul(v, nullptr, 10));
            else if (const char* v = value("--only"))
                o.only = v;
            else if (const char* v = value("--json"))
                o.json = v;
            else {
                std::fprintf(stderr, "usage: %s [--rounds N] [--items N] [--only GROUP] [--json FILE]\n", argv[0]);
                std::exit(2);
            }
        }
        return o;
    }
};

class Report {
public:
    explicit Report(const Options& options) : options_(options) {}

    void run(Group group) {
        if (group.name.find(options_.only) == std::string::npos) return;
        for (int round = 0; round < options_.rounds; ++round)
            for (Case& c : group.cases) {
                const auto begin = Clock::now();
                const double cpu = cpu_ns();
                c.samples.push_back(c.run());
                c.cpu.push_back(c.samples.back() * (cpu_ns() - cpu) / ns_since(begin));
            }
        const double ours = median(group.cases[0].samples);
        std::printf("%s\n", group.name.c_str());
        for (const Case& c : group.cases) {
            const double m = median(c.samples);
            std::printf("    %-36s %10.1f %s (min %.1f, cpu %.1f)", c.name.c_str(), m, group.unit.c_str(), least(c),
                        median(c.cpu));
            if (&c != &group.cases[0] && ours > 0) std::printf("  %.2fx", m / ours);
            std::printf("\n");
        }
        std::fflush(stdout);
        groups_.push_back(std::move(group));
    }

    // False when the file cannot be written.
    bool write_json() const {
        if (options_.json.empty()) return true;
        std::FILE* out = options_.json == "-" ? stdout : std::fopen(options_.json.c_str(), "w");
        if (out == nullptr) {
            std::perror(options_.json.c_str());
            return false;
        }
        std::fprintf(out, "{\"rounds\": %d, \"items\": %zu, \"groups\": [", options_.rounds, options_.items);
        for (const Group& g : groups_) {
            std::fprintf(out, "%s\n  {\"name\": \"%s\", \"unit\": \"%s\", \"cases\": [", &g == &groups_[0] ? "" : ",",
                         g.name.c_str(), g.unit.c_str());
            const double ours = median(g.cases[0].samples);
            for (const Case& c : g.cases)
                std::fprintf(
                    out, "%s\n    {\"name\": \"%s\", \"median\": %.3f, \"min\": %.3f, \"cpu\": %.3f, \"ratio\": %.4f}",
                    &c == &g.cases[0] ? "" : ",", c.name.c_str(), median(c.samples), least(c), median(c.cpu),
                    ours > 0 ? median(c.samples) / ours : 0.0);
            std::fprintf(out, "]}");
        }
        std::fprintf(out, "]}\n");
        if (out != stdout) std::fclose(out);
        return true;
    }

private:
    static double least(const Case& c) { return *std::min_element(c.samples.begin(), c.samples.end()); }

    Options options_;
    std::vector<Group> groups_;
};

}  // namespace bench
