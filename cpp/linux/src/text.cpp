// <linux/string.h>, <linux/kstrtox.h>: what the C library has not.
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

#include "glue.hpp"

namespace bottomhalf::linux_api {

namespace {

// Linux's rule: digits of the base and nothing else but one newline at the end. RETURNS 0, -EINVAL or -ERANGE.
int parse(const char* s, unsigned base, bool may_be_negative, bool& negative, unsigned long long& value) {
    negative = false;
    if (*s == '+') {
        ++s;
    } else if (*s == '-' && may_be_negative) {
        negative = true;
        ++s;
    }
    if ((base == 0 || base == 16) && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') &&
        std::isxdigit(static_cast<unsigned char>(s[2])) != 0) {
        base = 16;
        s += 2;
    } else if (base == 0) {
        base = s[0] == '0' ? 8 : 10;
    }
    value = 0;
    const char* first = s;
    bool too_big = false;
    for (;; ++s) {
        const auto c = static_cast<unsigned char>(*s);
        const unsigned digit = std::isdigit(c) != 0   ? c - '0'
                               : std::isalpha(c) != 0 ? std::tolower(c) - 'a' + 10u
                                                      : 99u;
        if (digit >= base) break;
        too_big =
            too_big || __builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value);
    }
    if (s == first) return -EINVAL;
    if (*s == '\n') ++s;
    if (*s != '\0') return -EINVAL;
    return too_big ? -ERANGE : 0;
}

template <class T>
int to(const char* s, unsigned base, T* result) {
    constexpr bool is_signed = std::numeric_limits<T>::is_signed;
    constexpr auto most = static_cast<unsigned long long>(std::numeric_limits<T>::max());
    bool negative = false;
    unsigned long long value = 0;
    const int error = parse(s, base, is_signed, negative, value);
    if (error != 0) return error;
    if (value > most + (negative ? 1 : 0)) return -ERANGE;
    *result = static_cast<T>(negative ? 0 - value : value);
    return 0;
}

template <class T>
int from_user(const char* s, std::size_t count, unsigned base, T* result) {
    if (s == nullptr) return -EFAULT;
    const std::string text(s, count < 64 ? count : 64);
    return to<T>(text.c_str(), base, result);
}

int truth(const char* s, bool* result) {
    if (s == nullptr) return -EINVAL;
    const int c = std::tolower(static_cast<unsigned char>(s[0]));
    const int d = c == 'o' ? std::tolower(static_cast<unsigned char>(s[1])) : 0;
    if (c == 'y' || c == 't' || c == '1' || d == 'n')
        *result = true;
    else if (c == 'n' || c == 'f' || c == '0' || d == 'f')
        *result = false;
    else
        return -EINVAL;
    return 0;
}

}  // namespace

extern "C" {

int bh_linux_kstrtoull(const char* s, unsigned base, unsigned long long* r) { return to(s, base, r); }
int bh_linux_kstrtoll(const char* s, unsigned base, long long* r) { return to(s, base, r); }
int bh_linux_kstrtoul(const char* s, unsigned base, unsigned long* r) { return to(s, base, r); }
int bh_linux_kstrtol(const char* s, unsigned base, long* r) { return to(s, base, r); }
int bh_linux_kstrtouint(const char* s, unsigned base, unsigned* r) { return to(s, base, r); }
int bh_linux_kstrtoint(const char* s, unsigned base, int* r) { return to(s, base, r); }
int bh_linux_kstrtou16(const char* s, unsigned base, std::uint16_t* r) { return to(s, base, r); }
int bh_linux_kstrtos16(const char* s, unsigned base, std::int16_t* r) { return to(s, base, r); }
int bh_linux_kstrtou8(const char* s, unsigned base, std::uint8_t* r) { return to(s, base, r); }
int bh_linux_kstrtos8(const char* s, unsigned base, std::int8_t* r) { return to(s, base, r); }
int bh_linux_kstrtobool(const char* s, bool* r) { return truth(s, r); }
int bh_linux_kstrtoul_from_user(const char* s, std::size_t n, unsigned base, unsigned long* r) {
    return from_user(s, n, base, r);
}
int bh_linux_kstrtol_from_user(const char* s, std::size_t n, unsigned base, long* r) {
    return from_user(s, n, base, r);
}
int bh_linux_kstrtouint_from_user(const char* s, std::size_t n, unsigned base, unsigned* r) {
    return from_user(s, n, base, r);
}
int bh_linux_kstrtoint_from_user(const char* s, std::size_t n, unsigned base, int* r) {
    return from_user(s, n, base, r);
}
int bh_linux_kstrtobool_from_user(const char* s, std::size_t n, bool* r) {
    if (s == nullptr) return -EFAULT;
    return truth(std::string(s, n < 4 ? n : 4).c_str(), r);
}
unsigned long bh_linux_simple_strtoul(const char* s, char** end, unsigned base) {
    return std::strtoul(s, end, static_cast<int>(base));
}
long bh_linux_simple_strtol(const char* s, char** end, unsigned base) {
    return std::strtol(s, end, static_cast<int>(base));
}
unsigned long long bh_linux_simple_strtoull(const char* s, char** end, unsigned base) {
    return std::strtoull(s, end, static_cast<int>(base));
}
long long bh_linux_simple_strtoll(const char* s, char** end, unsigned base) {
    return std::strtoll(s, end, static_cast<int>(base));
}

// RETURNS: the characters copied, or -E2BIG when the text was cut.
std::ptrdiff_t bh_linux_strscpy(char* dst, const char* src, std::size_t size) {
    if (size == 0) return -E2BIG;
    const std::size_t length = strnlen(src, size), copied = length < size ? length : size - 1;
    std::memcpy(dst, src, copied);
    dst[copied] = '\0';
    return length < size ? static_cast<std::ptrdiff_t>(length) : -E2BIG;
}
std::ptrdiff_t bh_linux_strscpy_pad(char* dst, const char* src, std::size_t size) {
    const std::ptrdiff_t n = bh_linux_strscpy(dst, src, size);
    if (n >= 0) std::memset(dst + n, 0, size - static_cast<std::size_t>(n));
    return n;
}
std::size_t bh_linux_strlcpy(char* dst, const char* src, std::size_t size) {
    if (size != 0) bh_linux_strscpy(dst, src, size);
    return std::strlen(src);
}
std::size_t bh_linux_strlcat(char* dst, const char* src, std::size_t size) {
    const std::size_t before = strnlen(dst, size);
    if (before < size) bh_linux_strscpy(dst + before, src, size - before);
    return before + std::strlen(src);
}
char* bh_linux_skip_spaces(const char* s) {
    while (std::isspace(static_cast<unsigned char>(*s)) != 0) ++s;
    return const_cast<char*>(s);
}
char* bh_linux_strim(char* s) {
    std::size_t n = std::strlen(s);
    while (n > 0 && std::isspace(static_cast<unsigned char>(s[n - 1])) != 0) s[--n] = '\0';
    return bh_linux_skip_spaces(s);
}
char* bh_linux_strreplace(char* s, char old, char fresh) {
    for (char* p = s; *p != '\0'; ++p)
        if (*p == old) *p = fresh;
    return s;
}
char* bh_linux_strnstr(const char* s, const char* wanted, std::size_t n) {
    const std::size_t length = std::strlen(wanted);
    for (; n >= length; ++s, --n) {
        if (std::strncmp(s, wanted, length) == 0) return const_cast<char*>(s);
        if (*s == '\0') break;
    }
    return nullptr;
}
// Equal but for one newline at the end of either.
bool bh_linux_sysfs_streq(const char* a, const char* b) {
    while (*a != '\0' && *a == *b) {
        ++a;
        ++b;
    }
    if (*a == *b) return true;
    return (*a == '\0' && *b == '\n' && b[1] == '\0') || (*a == '\n' && a[1] == '\0' && *b == '\0');
}
int bh_linux_match_string(const char* const* array, std::size_t n, const char* string) {
    for (std::size_t i = 0; i < n && array[i] != nullptr; ++i)
        if (std::strcmp(array[i], string) == 0) return static_cast<int>(i);
    return -EINVAL;
}
void* bh_linux_memchr_inv(const void* s, int c, std::size_t n) {
    const auto* bytes = static_cast<const unsigned char*>(s);
    for (std::size_t i = 0; i < n; ++i)
        if (bytes[i] != static_cast<unsigned char>(c)) return const_cast<unsigned char*>(bytes + i);
    return nullptr;
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
