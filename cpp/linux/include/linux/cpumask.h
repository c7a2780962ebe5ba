/* Sets of CPUs of the machine. */
#ifndef _LINUX_CPUMASK_H
#define _LINUX_CPUMASK_H

#include <linux/bitops.h>
#include <linux/threads.h>
#include <linux/types.h>

typedef struct cpumask {
    unsigned long bits[NR_CPUS / BITS_PER_LONG];
} cpumask_t;
typedef struct cpumask cpumask_var_t[1];

unsigned int __bh_nr_cpus(void) __bh_symbol(nr_cpus);
const struct cpumask *__bh_possible_mask(void) __bh_symbol(possible_mask);
const struct cpumask *__bh_online_mask(void) __bh_symbol(online_mask);
bool cpu_online(unsigned int cpu) __bh_symbol(cpu_online);
const struct cpumask *cpumask_of(unsigned int cpu) __bh_symbol(cpumask_of);
void cpus_read_lock(void) __bh_symbol(cpus_read_lock);
void cpus_read_unlock(void) __bh_symbol(cpus_read_unlock);

#define nr_cpu_ids __bh_nr_cpus()
#define cpu_possible_mask __bh_possible_mask()
#define cpu_present_mask __bh_possible_mask()
#define cpu_online_mask __bh_online_mask()
#define cpu_active_mask __bh_online_mask()
#define cpumask_bits(maskp) ((maskp)->bits)
#define cpumask_size() sizeof(struct cpumask)
#define cpumask_pr_args(maskp) (int)nr_cpu_ids, cpumask_bits(maskp)

static inline bool cpu_possible(unsigned int cpu) { return cpu < nr_cpu_ids; }
static inline bool cpu_present(unsigned int cpu) { return cpu < nr_cpu_ids; }
static inline bool cpu_active(unsigned int cpu) { return cpu_online(cpu); }
static inline void cpumask_set_cpu(unsigned int cpu, struct cpumask *m) { set_bit(cpu, m->bits); }
static inline void cpumask_clear_cpu(unsigned int cpu, struct cpumask *m) { clear_bit(cpu, m->bits); }
static inline bool cpumask_test_cpu(unsigned int cpu, const struct cpumask *m) { return test_bit(cpu, m->bits); }
static inline bool cpumask_test_and_set_cpu(unsigned int cpu, struct cpumask *m) {
    return test_and_set_bit(cpu, m->bits);
}
static inline void cpumask_clear(struct cpumask *m) {
    for (unsigned i = 0; i < NR_CPUS / BITS_PER_LONG; ++i) m->bits[i] = 0;
}
static inline void cpumask_copy(struct cpumask *dst, const struct cpumask *src) { *dst = *src; }
static inline void cpumask_setall(struct cpumask *m) { *m = *cpu_possible_mask; }
static inline bool cpumask_and(struct cpumask *dst, const struct cpumask *a, const struct cpumask *b) {
    unsigned long any = 0;
    for (unsigned i = 0; i < NR_CPUS / BITS_PER_LONG; ++i) any |= dst->bits[i] = a->bits[i] & b->bits[i];
    return any != 0;
}
static inline void cpumask_or(struct cpumask *dst, const struct cpumask *a, const struct cpumask *b) {
    for (unsigned i = 0; i < NR_CPUS / BITS_PER_LONG; ++i) dst->bits[i] = a->bits[i] | b->bits[i];
}
static inline unsigned int cpumask_next(int n, const struct cpumask *m) {
    const unsigned long bit = find_next_bit(m->bits, NR_CPUS, (unsigned long)(n + 1));
    return bit < nr_cpu_ids ? (unsigned int)bit : nr_cpu_ids;
}
static inline unsigned int cpumask_first(const struct cpumask *m) { return cpumask_next(-1, m); }
static inline unsigned int cpumask_next_wrap(int n, const struct cpumask *m) {
    const unsigned int next = cpumask_next(n, m);
    return next < nr_cpu_ids ? next : cpumask_first(m);
}
static inline unsigned int cpumask_weight(const struct cpumask *m) {
    unsigned int weight = 0;
    for (unsigned i = 0; i < NR_CPUS / BITS_PER_LONG; ++i) weight += (unsigned)hweight_long(m->bits[i]);
    return weight;
}
static inline bool cpumask_test_and_clear_cpu(unsigned int cpu, struct cpumask *m) {
    return test_and_clear_bit(cpu, m->bits);
}
static inline bool cpumask_andnot(struct cpumask *dst, const struct cpumask *a, const struct cpumask *b) {
    unsigned long any = 0;
    for (unsigned i = 0; i < NR_CPUS / BITS_PER_LONG; ++i) any |= dst->bits[i] = a->bits[i] & ~b->bits[i];
    return any != 0;
}
static inline void cpumask_xor(struct cpumask *dst, const struct cpumask *a, const struct cpumask *b) {
    for (unsigned i = 0; i < NR_CPUS / BITS_PER_LONG; ++i) dst->bits[i] = a->bits[i] ^ b->bits[i];
}
static inline bool cpumask_intersects(const struct cpumask *a, const struct cpumask *b) {
    struct cpumask both;
    return cpumask_and(&both, a, b);
}
static inline bool cpumask_subset(const struct cpumask *a, const struct cpumask *b) {
    struct cpumask rest;
    return !cpumask_andnot(&rest, a, b);
}
static inline unsigned int cpumask_last(const struct cpumask *m) {
    unsigned int last = nr_cpu_ids, cpu = cpumask_first(m);
    for (; cpu < nr_cpu_ids; cpu = cpumask_next((int)cpu, m)) last = cpu;
    return last;
}
static inline bool cpumask_empty(const struct cpumask *m) { return cpumask_weight(m) == 0; }
static inline bool cpumask_equal(const struct cpumask *a, const struct cpumask *b) {
    for (unsigned i = 0; i < NR_CPUS / BITS_PER_LONG; ++i)
        if (a->bits[i] != b->bits[i]) return false;
    return true;
}
#define cpumask_any(m) cpumask_first(m)
#define cpumask_any_and(a, b)                       \
    __extension__({                                 \
        struct cpumask __bh_both;                   \
        cpumask_and(&__bh_both, a, b);              \
        cpumask_first(&__bh_both);                  \
    })

#define for_each_cpu(cpu, mask) \
    for ((cpu) = (int)cpumask_first(mask); (unsigned)(cpu) < nr_cpu_ids; (cpu) = (int)cpumask_next((int)(cpu), mask))
#define for_each_possible_cpu(cpu) for_each_cpu(cpu, cpu_possible_mask)
#define for_each_present_cpu(cpu) for_each_cpu(cpu, cpu_present_mask)
#define for_each_online_cpu(cpu) for_each_cpu(cpu, cpu_online_mask)
#define num_possible_cpus() cpumask_weight(cpu_possible_mask)
#define num_present_cpus() cpumask_weight(cpu_present_mask)
#define num_online_cpus() cpumask_weight(cpu_online_mask)

static inline bool alloc_cpumask_var(cpumask_var_t *mask, gfp_t flags) {
    (void)mask;
    (void)flags;
    return true;
}
static inline bool zalloc_cpumask_var(cpumask_var_t *mask, gfp_t flags) {
    (void)flags;
    cpumask_clear(*mask);
    return true;
}
static inline void free_cpumask_var(cpumask_var_t mask) { (void)mask; }
#define get_online_cpus() cpus_read_lock()
#define put_online_cpus() cpus_read_unlock()
#endif
