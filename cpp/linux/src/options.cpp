// <linux/kernel.h>: numbers of an option's text (get_option, get_options, memparse).
#include <cstdlib>

namespace bottomhalf::linux_api {

namespace {
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
}  // namespace

extern "C" {

// RETURNS: 0: no number; 1: a number; 2: a number and a comma, which is taken; 3: a number and a hyphen, of a range.
int bh_linux_get_option(char** text, int* value) {
    if (text == nullptr || *text == nullptr || **text == '\0') return 0;
    char* begin = *text;
    const bool negative = *begin == '-';
    char* end = nullptr;
    const auto number = static_cast<int>(std::strtoull(begin + (negative ? 1 : 0), &end, 0));
    const bool none = end == begin + (negative ? 1 : 0) || !is_digit(begin[negative ? 1 : 0]);
    *text = none ? begin + (negative ? 1 : 0) : end;
    if (value != nullptr) *value = negative ? -number : number;
    if (none) return 0;
    if (**text == ',') {
        ++*text;
        return 2;
    }
    return **text == '-' ? 3 : 1;
}

// ints[0] is how many there were, which a range can make more than there is room for; with count 0 they are counted
// only. RETURNS: where the numbers end.
char* bh_linux_get_options(const char* text, int count, int* ints) {
    auto* at = const_cast<char*>(text);
    int n = 1;
    for (; count == 0 || n < count; ++n) {
        int low = 0;
        const int kind = bh_linux_get_option(&at, &low);
        if (kind == 0) break;
        if (count != 0) ints[n] = low;
        if (kind == 3) {
            // The upper end of a range is the next number; here is what comes before it.
            ++at;
            const auto high = static_cast<int>(std::strtol(at, nullptr, 0));
            if (high < low) break;
            for (int i = 1; i < high - low && n + i < count; ++i) ints[n + i] = low + i;
            n += high - low - 1;
        }
        if (kind == 1) {
            ++n;
            break;
        }
    }
    ints[0] = n - 1;
    return at;
}

// A number with K, M, G, T, P or E behind it.
unsigned long long bh_linux_memparse(const char* text, char** end) {
    char* at = nullptr;
    unsigned long long value = std::strtoull(text, &at, 0);
    static const char units[] = "KMGTPE";
    for (unsigned i = 0; *at != '\0' && i + 1 < sizeof units; ++i) {
        if ((*at & ~0x20) != units[i]) continue;
        value <<= 10 * (i + 1);
        ++at;
        break;
    }
    if (end != nullptr) *end = at;
    return value;
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
