// printk and what hangs on it: WARN, BUG, panic, dump_stack.
#include <cstdio>
#include <cstring>

#include "bottomhalf/linux/oops.hpp"
#include "glue.hpp"
#include "kernel_side.hpp"

namespace bottomhalf::linux_api {

namespace {

constexpr char kSoh = '\001';
constexpr LogLevel kDefaultLevel = LogLevel::warning;  // of a message that names none

// Takes "\0016" and the like off the text. RETURNS: it continues the line before.
bool take_level(std::string& text, LogLevel& level) {
    bool goes_on = false;
    while (text.size() >= 2 && text[0] == kSoh) {
        if (text[1] >= '0' && text[1] <= '7')
            level = static_cast<LogLevel>(text[1] - '0');
        else if (text[1] == 'c')
            goes_on = true;
        text.erase(0, 2);
    }
    return goes_on;
}

void write(const char* fmt, va_list args, int& length) {
    Task& self = me();
    Domain& domain = here();
    KernelSide& side = KernelSide::of(domain);
    std::string text = format(fmt, args);
    LogLevel level = kDefaultLevel;
    const bool goes_on = take_level(text, level);
    length = static_cast<int>(text.size());
    const bool ends = !text.empty() && text.back() == '\n';
    if (ends) text.pop_back();
    RawGuard guard(side.log_lock);
    auto& open = side.open_line;
    if (goes_on && open.task == &self && domain.log.extend(open.number, text)) {
        if (ends) open = {};
        return;
    }
    for (std::size_t begin = 0;;) {
        const std::size_t end = text.find('\n', begin);
        domain.log.write(domain.now(), level, text.substr(begin, end - begin));
        if (end == std::string::npos) break;
        begin = end + 1;
    }
    if (ends)
        open = {};
    else
        open = {domain.log.written(), &self};
}

// Groups are numbers, so their bytes stand the other way round; a row that is no whole number of groups has none.
std::string hex_row(const unsigned char* bytes, std::size_t n, std::size_t row, int groupsize, bool ascii) {
    const bool fits = groupsize == 2 || groupsize == 4 || groupsize == 8;
    const std::size_t group =
        fits && n % static_cast<std::size_t>(groupsize) == 0 ? static_cast<unsigned>(groupsize) : 1;
    std::string line, text;
    for (std::size_t i = 0; i < n; ++i) {
        char digits[4];
        if (i > 0 && i % group == 0) line += ' ';
        std::snprintf(digits, sizeof digits, "%02x", bytes[i / group * group + group - 1 - i % group]);
        line += digits;
        text += bytes[i] >= 0x20 && bytes[i] < 0x7f ? static_cast<char>(bytes[i]) : '.';
    }
    if (!ascii) return line;
    line.resize(2 * row + row / group + 1, ' ');
    return line + text;
}

// The module is over; the process goes on.
[[noreturn]] void die(const char* kind, const std::string& what) {
    modules::module_bug(kind);
    Task& self = me();
    log(here(), LogLevel::crit,
        "CPU: " + std::to_string(self.cpu.load()) + " PID: " + std::to_string(self.pid.load()) + " Comm: " + self.name);
    log(here(), LogLevel::crit, "---[ end trace 0000000000000000 ]---");
    throw MisuseError("kernel-bug", what);
}

}  // namespace

extern "C" {

int bh_linux_vprintk(const char* fmt, va_list args) {
    int length = 0;
    write(fmt, args, length);
    return length;
}
int bh_linux_printk(const char* fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const int length = bh_linux_vprintk(fmt, args);
    va_end(args);
    return length;
}
bool bh_linux_printk_ratelimit(const char* where) { return KernelSide::of(here()).may_print(where); }

void bh_linux_warn_at(const char* file, int line, const char* func, const char* fmt, ...) {
    std::string message;
    if (fmt != nullptr) {
        va_list args;
        va_start(args, fmt);
        message = format(fmt, args);
        va_end(args);
        while (!message.empty() && message.back() == '\n') message.pop_back();
    }
    warn(here(), std::string(file) + ":" + std::to_string(line) + " " + func, message);
}

void bh_linux_bug_at(const char* file, int line, const char* func) {
    const std::string place = std::string(file) + ":" + std::to_string(line);
    log(here(), LogLevel::emerg, "------------[ cut here ]------------");
    log(here(), LogLevel::crit, "kernel BUG at " + place + "!");
    die("invalid opcode: 0000", "BUG() at " + place + " in " + func + "()");
}

void bh_linux_panic(const char* fmt, ...) {
    va_list args;
    va_start(args, fmt);
    std::string message = format(fmt, args);
    va_end(args);
    while (!message.empty() && message.back() == '\n') message.pop_back();
    log(here(), LogLevel::emerg, "Kernel panic - not syncing: " + message);
    die("panic", "panic: " + message);
}

void bh_linux_dump_stack() {
    Task& self = me();
    log(here(), kDefaultLevel,
        "CPU: " + std::to_string(self.cpu.load()) + " PID: " + std::to_string(self.pid.load()) + " Comm: " + self.name);
}

void bh_linux_print_hex_dump(const char* level, const char* prefix, int prefix_type, int rowsize, int groupsize,
                             const void* buf, std::size_t len, bool ascii) {
    const auto* bytes = static_cast<const unsigned char*>(buf);
    if (rowsize != 16 && rowsize != 32) rowsize = 16;
    const auto row = static_cast<std::size_t>(rowsize);
    for (std::size_t at = 0; at < len; at += row) {
        const std::size_t n = len - at < row ? len - at : row;
        const std::string text = hex_row(bytes + at, n, row, groupsize, ascii);
        if (prefix_type == 1)
            bh_linux_printk("%s%s%p: %s\n", level, prefix, static_cast<const void*>(bytes + at), text.c_str());
        else if (prefix_type == 2)
            bh_linux_printk("%s%s%08zx: %s\n", level, prefix, at, text.c_str());
        else
            bh_linux_printk("%s%s%s\n", level, prefix, text.c_str());
    }
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
