// <linux/moduleparam.h>: the set and get functions that a module's own kernel_param_ops may call.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "glue.hpp"
#include "module_record.hpp"

extern "C" {
int bh_linux_kstrtoll(const char* s, unsigned base, long long* r);
int bh_linux_kstrtoull(const char* s, unsigned base, unsigned long long* r);
int bh_linux_kstrtobool(const char* s, bool* r);

#define BH_PARAM(name, type, wide, convert, pattern)                            \
    int bh_linux_param_set_##name(const char* value, const kernel_param* p) {   \
        wide v = 0;                                                             \
        const int error = convert(value, 0, &v);                                \
        if (error != 0) return error;                                           \
        if (static_cast<wide>(static_cast<type>(v)) != v) return -34;           \
        *static_cast<type*>(p->arg) = static_cast<type>(v);                     \
        return 0;                                                               \
    }                                                                           \
    int bh_linux_param_get_##name(char* buffer, const kernel_param* p) {        \
        return std::sprintf(buffer, pattern "\n", *static_cast<type*>(p->arg)); \
    }
BH_PARAM(byte, unsigned char, unsigned long long, bh_linux_kstrtoull, "%hhu")
BH_PARAM(short, short, long long, bh_linux_kstrtoll, "%hd")
BH_PARAM(ushort, unsigned short, unsigned long long, bh_linux_kstrtoull, "%hu")
BH_PARAM(int, int, long long, bh_linux_kstrtoll, "%d")
BH_PARAM(uint, unsigned, unsigned long long, bh_linux_kstrtoull, "%u")
BH_PARAM(long, long, long long, bh_linux_kstrtoll, "%ld")
BH_PARAM(ulong, unsigned long, unsigned long long, bh_linux_kstrtoull, "%lu")
#undef BH_PARAM

int bh_linux_param_set_bool(const char* value, const kernel_param* p) {
    if (value == nullptr) value = "1";
    return bh_linux_kstrtobool(value, static_cast<bool*>(p->arg));
}
int bh_linux_param_get_bool(char* buffer, const kernel_param* p) {
    return std::sprintf(buffer, "%c\n", *static_cast<bool*>(p->arg) ? 'Y' : 'N');
}
// The text stays for as long as the process: nobody says when the module stops looking at it.
int bh_linux_param_set_charp(const char* value, const kernel_param* p) {
    *static_cast<char**>(p->arg) = strdup(value);
    return 0;
}
int bh_linux_param_get_charp(char* buffer, const kernel_param* p) {
    return std::sprintf(buffer, "%s\n", *static_cast<char**>(p->arg));
}
}
