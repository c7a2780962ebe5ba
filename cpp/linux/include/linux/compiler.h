/* What the kernel's sources ask of a compiler, and how these headers name the functions behind them.
 *
 * Every function that libbottomhalf.so provides to modules has a symbol of its own, "bh_linux_" and its name, so that
 * it can clash neither with the C library nor with what else the process has loaded. In C++ a function so named is an
 * overload beside whatever the C library has under its name. */
#ifndef _LINUX_COMPILER_H
#define _LINUX_COMPILER_H

#include <linux/kconfig.h>

#define __bh_symbol(name) __asm__("bh_linux_" #name)

#define ___bh_paste(a, b) a##b
#define __bh_paste(a, b) ___bh_paste(a, b)
#define __UNIQUE_ID(prefix) __bh_paste(__bh_paste(__unique_id_, prefix), __COUNTER__)

#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

#define barrier() __asm__ __volatile__("" : : : "memory")
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, val) ((void)(*(volatile __typeof__(x) *)&(x) = (val)))
#define ACCESS_ONCE(x) (*(volatile __typeof__(x) *)&(x))
#define data_race(expr) (expr)

#undef __always_inline /* the C library has one, too */
#define __always_inline inline __attribute__((__always_inline__))
#define noinline __attribute__((__noinline__))
#define noinline_for_stack noinline
#define __must_check __attribute__((__warn_unused_result__))
#define __maybe_unused __attribute__((__unused__))
#define __always_unused __attribute__((__unused__))
#define __used __attribute__((__used__))
#define __packed __attribute__((__packed__))
#define __aligned(x) __attribute__((__aligned__(x)))
#define __section(s) __attribute__((__section__(s)))
#define __weak __attribute__((__weak__))
#define __cold __attribute__((__cold__))
#define __malloc __attribute__((__malloc__))
#define __printf(a, b) __attribute__((__format__(printf, a, b)))
#define __scanf(a, b) __attribute__((__format__(scanf, a, b)))
#define __noreturn __attribute__((__noreturn__))
#define __visible
#define __deprecated
#define __randomize_layout
#define __no_randomize_layout
#define ____cacheline_aligned __attribute__((__aligned__(64)))
#define ____cacheline_aligned_in_smp ____cacheline_aligned
#define __cacheline_aligned ____cacheline_aligned
#define __read_mostly
#define __ro_after_init
#define asmlinkage
#define notrace
#define fallthrough __attribute__((__fallthrough__))

/* Annotations for the kernel's static checker; they say nothing here. */
#define __user
#define __kernel
#define __iomem
#define __rcu
#define __percpu
#define __force
#define __safe
#define __bitwise
#define __must_hold(x)
#define __acquires(x)
#define __releases(x)
#define __acquire(x) ((void)0)
#define __release(x) ((void)0)

#define __same_type(a, b) __builtin_types_compatible_p(__typeof__(a), __typeof__(b))
#ifdef __cplusplus
#define __bh_static_assert(expr, text) static_assert(expr, text)
#else
#define __bh_static_assert(expr, text) _Static_assert(expr, text)
#endif

/* A value whose cleanup runs however its scope is left, by a thrown engine error, too. */
#define __bh_cleanup(fn) __attribute__((__cleanup__(fn)))

#ifdef BOTTOMHALF_LEGACY_API
/* What an old form was replaced by, and when; the compiler says it at each use. */
#define __bh_legacy(text) __attribute__((__deprecated__(text)))
#else
#define __bh_legacy(text)
#endif

#endif
