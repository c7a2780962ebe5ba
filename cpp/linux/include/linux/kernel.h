/* The kernel's general-purpose macros, and what most sources expect to come along. */
#ifndef _LINUX_KERNEL_H
#define _LINUX_KERNEL_H

#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/errno.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/panic.h>
#include <linux/printk.h>
#include <linux/sprintf.h>
#include <linux/stddef.h>
#include <linux/stringify.h>
#include <linux/types.h>

#define ARRAY_SIZE(arr) (sizeof(arr) / sizeof((arr)[0]))
#define ALIGN(x, a) (((x) + ((__typeof__(x))(a) - 1)) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define PTR_ALIGN(p, a) ((__typeof__(p))ALIGN((unsigned long)(p), (a)))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a) - 1)) == 0)
#define upper_32_bits(n) ((u32)(((n) >> 16) >> 16))
#define lower_32_bits(n) ((u32)((n) & 0xffffffff))
#define typecheck(type, x) 1
#define u64_to_user_ptr(x) ((void __user *)(uintptr_t)(x))

#define READ 0
#define WRITE 1

enum system_states {
    SYSTEM_BOOTING,
    SYSTEM_SCHEDULING,
    SYSTEM_FREEING_INITMEM,
    SYSTEM_RUNNING,
    SYSTEM_HALT,
    SYSTEM_POWER_OFF,
    SYSTEM_RESTART,
    SYSTEM_SUSPEND
};
#define system_state SYSTEM_RUNNING

/* Numbers of an option's text: "3", "-5,7", "1-4,9". */
int get_option(char **str, int *pint) __bh_symbol(get_option);
char *get_options(const char *str, int nints, int *ints) __bh_symbol(get_options);
unsigned long long memparse(const char *ptr, char **retptr) __bh_symbol(memparse);

/* Sleeping would be a mistake here: "BUG: sleeping function called from invalid context" in the log. */
void __might_sleep(const char *file, int line) __bh_symbol(might_sleep);
#define might_sleep() __might_sleep(__FILE__, __LINE__)
#define might_sleep_if(cond)      \
    do {                          \
        if (cond) might_sleep();  \
    } while (0)
#define cant_sleep() ((void)0)
#define might_fault() ((void)0)
#define trace_printk(fmt, ...) printk(KERN_DEBUG fmt, ##__VA_ARGS__)

#endif
