/* The kernel log of the calling task's machine. Formats are the kernel's: printf's and the %p extensions that
 * cpp/linux/README.md lists. Debug messages are written when DEBUG is defined, as without dynamic debugging. */
#ifndef _LINUX_PRINTK_H
#define _LINUX_PRINTK_H

#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/kern_levels.h>
#include <linux/types.h>

#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif

struct va_format {
    const char *fmt;
    va_list *va;
};

__printf(1, 2) int _printk(const char *fmt, ...) __bh_symbol(printk);
__printf(1, 0) int vprintk(const char *fmt, va_list args) __bh_symbol(vprintk);
bool __printk_ratelimit(const char *where) __bh_symbol(printk_ratelimit);
void dump_stack(void) __bh_symbol(dump_stack);
void print_hex_dump(const char *level, const char *prefix_str, int prefix_type, int rowsize, int groupsize,
                    const void *buf, size_t len, bool ascii) __bh_symbol(print_hex_dump);

#define printk(fmt, ...) _printk(fmt, ##__VA_ARGS__)
#define printk_deferred(fmt, ...) _printk(fmt, ##__VA_ARGS__)
#define no_printk(fmt, ...)                      \
    __extension__({                              \
        if (0) _printk(fmt, ##__VA_ARGS__);      \
        0;                                       \
    })

#define pr_emerg(fmt, ...) printk(KERN_EMERG pr_fmt(fmt), ##__VA_ARGS__)
#define pr_alert(fmt, ...) printk(KERN_ALERT pr_fmt(fmt), ##__VA_ARGS__)
#define pr_crit(fmt, ...) printk(KERN_CRIT pr_fmt(fmt), ##__VA_ARGS__)
#define pr_err(fmt, ...) printk(KERN_ERR pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn(fmt, ...) printk(KERN_WARNING pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warning(fmt, ...) pr_warn(fmt, ##__VA_ARGS__)
#define pr_notice(fmt, ...) printk(KERN_NOTICE pr_fmt(fmt), ##__VA_ARGS__)
#define pr_info(fmt, ...) printk(KERN_INFO pr_fmt(fmt), ##__VA_ARGS__)
#define pr_cont(fmt, ...) printk(KERN_CONT fmt, ##__VA_ARGS__)
#ifdef DEBUG
#define pr_debug(fmt, ...) printk(KERN_DEBUG pr_fmt(fmt), ##__VA_ARGS__)
#define pr_devel(fmt, ...) printk(KERN_DEBUG pr_fmt(fmt), ##__VA_ARGS__)
#else
#define pr_debug(fmt, ...) no_printk(KERN_DEBUG pr_fmt(fmt), ##__VA_ARGS__)
#define pr_devel(fmt, ...) no_printk(KERN_DEBUG pr_fmt(fmt), ##__VA_ARGS__)
#endif

#define __bh_once(call)                                                                                    \
    __extension__({                                                                                        \
        static bool __bh_printed;                                                                          \
        if (!__atomic_exchange_n(&__bh_printed, true, __ATOMIC_RELAXED)) call;                             \
        0;                                                                                                 \
    })
#define printk_once(fmt, ...) __bh_once(printk(fmt, ##__VA_ARGS__))
#define pr_emerg_once(fmt, ...) __bh_once(pr_emerg(fmt, ##__VA_ARGS__))
#define pr_alert_once(fmt, ...) __bh_once(pr_alert(fmt, ##__VA_ARGS__))
#define pr_crit_once(fmt, ...) __bh_once(pr_crit(fmt, ##__VA_ARGS__))
#define pr_err_once(fmt, ...) __bh_once(pr_err(fmt, ##__VA_ARGS__))
#define pr_warn_once(fmt, ...) __bh_once(pr_warn(fmt, ##__VA_ARGS__))
#define pr_notice_once(fmt, ...) __bh_once(pr_notice(fmt, ##__VA_ARGS__))
#define pr_info_once(fmt, ...) __bh_once(pr_info(fmt, ##__VA_ARGS__))
#define pr_debug_once(fmt, ...) __bh_once(pr_debug(fmt, ##__VA_ARGS__))

/* Ten in five seconds from each place, as the kernel's default. */
#define printk_ratelimit() __printk_ratelimit(__func__)
#define printk_ratelimited(fmt, ...)                                    \
    __extension__({                                                     \
        if (__printk_ratelimit(__func__)) printk(fmt, ##__VA_ARGS__);   \
        0;                                                              \
    })
#define pr_emerg_ratelimited(fmt, ...) printk_ratelimited(KERN_EMERG pr_fmt(fmt), ##__VA_ARGS__)
#define pr_alert_ratelimited(fmt, ...) printk_ratelimited(KERN_ALERT pr_fmt(fmt), ##__VA_ARGS__)
#define pr_crit_ratelimited(fmt, ...) printk_ratelimited(KERN_CRIT pr_fmt(fmt), ##__VA_ARGS__)
#define pr_err_ratelimited(fmt, ...) printk_ratelimited(KERN_ERR pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn_ratelimited(fmt, ...) printk_ratelimited(KERN_WARNING pr_fmt(fmt), ##__VA_ARGS__)
#define pr_notice_ratelimited(fmt, ...) printk_ratelimited(KERN_NOTICE pr_fmt(fmt), ##__VA_ARGS__)
#define pr_info_ratelimited(fmt, ...) printk_ratelimited(KERN_INFO pr_fmt(fmt), ##__VA_ARGS__)
#ifdef DEBUG
#define pr_debug_ratelimited(fmt, ...) printk_ratelimited(KERN_DEBUG pr_fmt(fmt), ##__VA_ARGS__)
#else
#define pr_debug_ratelimited(fmt, ...) no_printk(KERN_DEBUG pr_fmt(fmt), ##__VA_ARGS__)
#endif

enum { DUMP_PREFIX_NONE, DUMP_PREFIX_ADDRESS, DUMP_PREFIX_OFFSET };
#define print_hex_dump_bytes(prefix, type, buf, len) print_hex_dump(KERN_DEBUG, prefix, type, 16, 1, buf, len, true)

#endif
