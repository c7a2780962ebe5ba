/* WARN and BUG. A BUG() ends the module, as an oops does; it does not end the process. */
#ifndef _LINUX_BUG_H
#define _LINUX_BUG_H

#include <linux/compiler.h>
#include <linux/printk.h>

__printf(4, 5) void __warn_at(const char *file, int line, const char *func, const char *fmt, ...)
    __bh_symbol(warn_at);
__noreturn void __bug_at(const char *file, int line, const char *func) __bh_symbol(bug_at);
__printf(1, 2) __noreturn void panic(const char *fmt, ...) __bh_symbol(panic);

#define WARN(condition, fmt, ...)                                                                   \
    __extension__({                                                                                 \
        const int __bh_warn = !!(condition);                                                        \
        if (unlikely(__bh_warn)) __warn_at(__FILE__, __LINE__, __func__, fmt, ##__VA_ARGS__);       \
        unlikely(__bh_warn);                                                                        \
    })
#define WARN_ON(condition)                                                                          \
    __extension__({                                                                                 \
        const int __bh_warn = !!(condition);                                                        \
        if (unlikely(__bh_warn)) __warn_at(__FILE__, __LINE__, __func__, NULL);                     \
        unlikely(__bh_warn);                                                                        \
    })
#define WARN_ONCE(condition, fmt, ...)                                                              \
    __extension__({                                                                                 \
        static bool __bh_warned;                                                                    \
        const int __bh_warn = !!(condition);                                                        \
        if (unlikely(__bh_warn) && !__atomic_exchange_n(&__bh_warned, true, __ATOMIC_RELAXED))      \
            __warn_at(__FILE__, __LINE__, __func__, fmt, ##__VA_ARGS__);                            \
        unlikely(__bh_warn);                                                                        \
    })
#define WARN_ON_ONCE(condition)                                                                     \
    __extension__({                                                                                 \
        static bool __bh_warned;                                                                    \
        const int __bh_warn = !!(condition);                                                        \
        if (unlikely(__bh_warn) && !__atomic_exchange_n(&__bh_warned, true, __ATOMIC_RELAXED))      \
            __warn_at(__FILE__, __LINE__, __func__, NULL);                                          \
        unlikely(__bh_warn);                                                                        \
    })
#define WARN_ON_SMP(x) WARN_ON(x)
#define WARN_TAINT(condition, taint, fmt, ...) WARN(condition, fmt, ##__VA_ARGS__)
#define BUG() __bug_at(__FILE__, __LINE__, __func__)
#define BUG_ON(condition)            \
    do {                             \
        if (unlikely(condition)) BUG(); \
    } while (0)

#include <linux/build_bug.h>
#endif
