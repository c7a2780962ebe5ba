// <linux/sprintf.h>: printf into memory.
#include <cstdint>
#include <cstring>

#include "glue.hpp"

namespace bottomhalf::linux_api {

namespace {

// Like Linux's: as much as fits, always terminated; RETURNS the length that the whole text has.
int into(char* buffer, std::size_t size, const std::string& text) {
    if (size != 0) {
        const std::size_t n = text.size() < size - 1 ? text.size() : size - 1;
        std::memcpy(buffer, text.data(), n);
        buffer[n] = '\0';
    }
    return static_cast<int>(text.size());
}
int clipped(int n, std::size_t size) {
    if (size == 0) return 0;
    return static_cast<std::size_t>(n) < size ? n : static_cast<int>(size) - 1;
}

}  // namespace

extern "C" {

int bh_linux_vsnprintf(char* buffer, std::size_t size, const char* fmt, va_list args) {
    return into(buffer, size, format(fmt, args));
}
int bh_linux_snprintf(char* buffer, std::size_t size, const char* fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const int n = bh_linux_vsnprintf(buffer, size, fmt, args);
    va_end(args);
    return n;
}
int bh_linux_vsprintf(char* buffer, const char* fmt, va_list args) {
    return bh_linux_vsnprintf(buffer, SIZE_MAX / 2, fmt, args);
}
int bh_linux_sprintf(char* buffer, const char* fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const int n = bh_linux_vsprintf(buffer, fmt, args);
    va_end(args);
    return n;
}
int bh_linux_vscnprintf(char* buffer, std::size_t size, const char* fmt, va_list args) {
    return clipped(bh_linux_vsnprintf(buffer, size, fmt, args), size);
}
int bh_linux_scnprintf(char* buffer, std::size_t size, const char* fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const int n = bh_linux_vscnprintf(buffer, size, fmt, args);
    va_end(args);
    return n;
}
char* bh_linux_kvasprintf(unsigned, const char* fmt, va_list args) { return strdup(format(fmt, args).c_str()); }
char* bh_linux_kasprintf(unsigned gfp, const char* fmt, ...) {
    va_list args;
    va_start(args, fmt);
    char* text = bh_linux_kvasprintf(gfp, fmt, args);
    va_end(args);
    return text;
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
