/* Variables of each CPU. A module has a copy of its variables for each CPU, those of CPU 0 being the originals.
 * On a host machine tasks of one CPU overlap, so the this_cpu operations are atomic. */
#ifndef _LINUX_PERCPU_H
#define _LINUX_PERCPU_H

#include <linux/export.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/types.h>

struct __bh_percpu_area {
    char *copies;
};
extern char __start_bh_linux_percpu[] __attribute__((weak, visibility("hidden")));
extern char __stop_bh_linux_percpu[] __attribute__((weak, visibility("hidden")));
struct __bh_percpu_area __bh_percpu_area __attribute__((weak, visibility("hidden"))) = {NULL};

void *__bh_alloc_percpu(size_t size, size_t align) __bh_symbol(alloc_percpu);
void __bh_free_percpu(void *first) __bh_symbol(free_percpu);
void *__bh_per_cpu(void *object, unsigned int cpu, char *begin, char *end, struct __bh_percpu_area *area)
    __bh_symbol(per_cpu);
void __bh_percpu_setup(char *begin, char *end, struct __bh_percpu_area *area) __bh_symbol(percpu_setup);
void __bh_percpu_share(char *begin, char *end, struct __bh_percpu_area *area) __bh_symbol(percpu_share);
void __bh_percpu_release(struct __bh_percpu_area *area) __bh_symbol(percpu_release);
__attribute__((__constructor__)) static void __bh_percpu_begin(void) {
    __bh_percpu_setup(__start_bh_linux_percpu, __stop_bh_linux_percpu, &__bh_percpu_area);
}
__attribute__((__destructor__)) static void __bh_percpu_end(void) { __bh_percpu_release(&__bh_percpu_area); }

#define DEFINE_PER_CPU(type, name) __attribute__((section("bh_linux_percpu"))) __typeof__(type) name
#define DECLARE_PER_CPU(type, name) extern __attribute__((section("bh_linux_percpu"))) __typeof__(type) name
#define DEFINE_PER_CPU_ALIGNED(type, name) DEFINE_PER_CPU(type, name)
#define DEFINE_PER_CPU_SHARED_ALIGNED(type, name) DEFINE_PER_CPU(type, name)

/* Other modules find the variable's copies by its address. */
#define __bh_percpu_export(id)                                                              \
    __attribute__((__constructor__)) static void __bh_paste(__bh_percpu_share_, id)(void) { \
        __bh_percpu_share(__start_bh_linux_percpu, __stop_bh_linux_percpu, &__bh_percpu_area); \
    }
#define EXPORT_PER_CPU_SYMBOL(sym) __bh_percpu_export(__COUNTER__) EXPORT_SYMBOL(sym)
#define EXPORT_PER_CPU_SYMBOL_GPL(sym) __bh_percpu_export(__COUNTER__) EXPORT_SYMBOL_GPL(sym)

#define per_cpu_ptr(ptr, cpu)                                                                              \
    ((__typeof__(ptr))__bh_per_cpu((void *)(ptr), (unsigned int)(cpu), __start_bh_linux_percpu,            \
                                   __stop_bh_linux_percpu, &__bh_percpu_area))
#define per_cpu(var, cpu) (*per_cpu_ptr(&(var), cpu))
#define this_cpu_ptr(ptr) per_cpu_ptr(ptr, smp_processor_id())
#define raw_cpu_ptr(ptr) this_cpu_ptr(ptr)
#define __this_cpu_ptr(ptr) this_cpu_ptr(ptr)
#define get_cpu_var(var)           \
    (*__extension__({              \
        preempt_disable();         \
        this_cpu_ptr(&(var));      \
    }))
#define put_cpu_var(var) preempt_enable()
#define get_cpu_ptr(ptr)           \
    __extension__({                \
        preempt_disable();         \
        this_cpu_ptr(ptr);         \
    })
#define put_cpu_ptr(ptr) preempt_enable()

#define this_cpu_read(var) __atomic_load_n(this_cpu_ptr(&(var)), __ATOMIC_RELAXED)
#define this_cpu_write(var, val) __atomic_store_n(this_cpu_ptr(&(var)), val, __ATOMIC_RELAXED)
#define this_cpu_add(var, val) ((void)__atomic_fetch_add(this_cpu_ptr(&(var)), val, __ATOMIC_RELAXED))
#define this_cpu_sub(var, val) ((void)__atomic_fetch_sub(this_cpu_ptr(&(var)), val, __ATOMIC_RELAXED))
#define this_cpu_inc(var) this_cpu_add(var, 1)
#define this_cpu_dec(var) this_cpu_sub(var, 1)
#define this_cpu_add_return(var, val) __atomic_add_fetch(this_cpu_ptr(&(var)), val, __ATOMIC_RELAXED)
#define this_cpu_inc_return(var) this_cpu_add_return(var, 1)
#define this_cpu_xchg(var, val) __atomic_exchange_n(this_cpu_ptr(&(var)), val, __ATOMIC_RELAXED)
#define this_cpu_cmpxchg(var, old, val)                                                            \
    __extension__({                                                                                \
        __typeof__(var) __bh_old = (old);                                                          \
        __atomic_compare_exchange_n(this_cpu_ptr(&(var)), &__bh_old, val, 0, __ATOMIC_RELAXED,     \
                                    __ATOMIC_RELAXED);                                             \
        __bh_old;                                                                                  \
    })
#define raw_cpu_read(var) this_cpu_read(var)
#define raw_cpu_write(var, val) this_cpu_write(var, val)
#define raw_cpu_add(var, val) this_cpu_add(var, val)
#define raw_cpu_inc(var) this_cpu_inc(var)
#define __this_cpu_sub(var, val) this_cpu_sub(var, val)
#define __this_cpu_read(var) this_cpu_read(var)
#define __this_cpu_write(var, val) this_cpu_write(var, val)
#define __this_cpu_add(var, val) this_cpu_add(var, val)
#define __this_cpu_inc(var) this_cpu_inc(var)
#define __this_cpu_dec(var) this_cpu_dec(var)

/* Of at most 32 KiB, as on Linux: a field of it lies at the same distance as the whole. */
#define alloc_percpu(type) ((__typeof__(type) *)__bh_alloc_percpu(sizeof(type), __alignof__(type)))
#define alloc_percpu_gfp(type, gfp) alloc_percpu(type)
#define __alloc_percpu(size, align) __bh_alloc_percpu(size, align)
#define free_percpu(ptr) __bh_free_percpu(ptr)
#endif
