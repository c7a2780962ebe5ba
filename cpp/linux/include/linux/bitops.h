/* Bits of arrays of longs; those with two underscores are not atomic. */
#ifndef _LINUX_BITOPS_H
#define _LINUX_BITOPS_H

#include <linux/atomic.h>
#include <linux/bits.h>

static inline void set_bit(long nr, volatile unsigned long *addr) {
    (void)__atomic_fetch_or(&addr[BIT_WORD(nr)], BIT_MASK(nr), __ATOMIC_RELAXED);
}
static inline void clear_bit(long nr, volatile unsigned long *addr) {
    (void)__atomic_fetch_and(&addr[BIT_WORD(nr)], ~BIT_MASK(nr), __ATOMIC_RELAXED);
}
static inline void clear_bit_unlock(long nr, volatile unsigned long *addr) {
    (void)__atomic_fetch_and(&addr[BIT_WORD(nr)], ~BIT_MASK(nr), __ATOMIC_RELEASE);
}
static inline void change_bit(long nr, volatile unsigned long *addr) {
    (void)__atomic_fetch_xor(&addr[BIT_WORD(nr)], BIT_MASK(nr), __ATOMIC_RELAXED);
}
static inline bool test_bit(long nr, const volatile unsigned long *addr) {
    return (__atomic_load_n(&addr[BIT_WORD(nr)], __ATOMIC_RELAXED) & BIT_MASK(nr)) != 0;
}
static inline bool test_and_set_bit(long nr, volatile unsigned long *addr) {
    return (__atomic_fetch_or(&addr[BIT_WORD(nr)], BIT_MASK(nr), __ATOMIC_SEQ_CST) & BIT_MASK(nr)) != 0;
}
static inline bool test_and_set_bit_lock(long nr, volatile unsigned long *addr) { return test_and_set_bit(nr, addr); }
static inline bool test_and_clear_bit(long nr, volatile unsigned long *addr) {
    return (__atomic_fetch_and(&addr[BIT_WORD(nr)], ~BIT_MASK(nr), __ATOMIC_SEQ_CST) & BIT_MASK(nr)) != 0;
}
static inline bool test_and_change_bit(long nr, volatile unsigned long *addr) {
    return (__atomic_fetch_xor(&addr[BIT_WORD(nr)], BIT_MASK(nr), __ATOMIC_SEQ_CST) & BIT_MASK(nr)) != 0;
}
static inline void __set_bit(long nr, volatile unsigned long *addr) {
    addr[BIT_WORD(nr)] = addr[BIT_WORD(nr)] | BIT_MASK(nr);
}
static inline void __clear_bit(long nr, volatile unsigned long *addr) {
    addr[BIT_WORD(nr)] = addr[BIT_WORD(nr)] & ~BIT_MASK(nr);
}
static inline void assign_bit(long nr, volatile unsigned long *addr, bool value) {
    if (value)
        set_bit(nr, addr);
    else
        clear_bit(nr, addr);
}
static inline int fls(unsigned int x) { return x != 0 ? 32 - __builtin_clz(x) : 0; }
static inline int fls64(u64 x) { return x != 0 ? 64 - __builtin_clzll(x) : 0; }
static inline unsigned long __fls(unsigned long x) { return 63UL - (unsigned long)__builtin_clzl(x); }
static inline unsigned long __ffs(unsigned long x) { return (unsigned long)__builtin_ctzl(x); }
#ifndef __cplusplus /* the C library declares it */
#define ffs(x) __builtin_ffs(x)
#endif
#define ffz(x) __ffs(~(x))
static inline unsigned int hweight8(unsigned int w) { return (unsigned int)__builtin_popcount(w & 0xff); }
static inline unsigned int hweight16(unsigned int w) { return (unsigned int)__builtin_popcount(w & 0xffff); }
static inline unsigned int hweight32(unsigned int w) { return (unsigned int)__builtin_popcount(w); }
static inline unsigned long hweight64(u64 w) { return (unsigned long)__builtin_popcountll(w); }
static inline unsigned long hweight_long(unsigned long w) { return (unsigned long)__builtin_popcountl(w); }
static inline u32 rol32(u32 word, unsigned int shift) { return (word << (shift & 31)) | (word >> ((-shift) & 31)); }
static inline u32 ror32(u32 word, unsigned int shift) { return (word >> (shift & 31)) | (word << ((-shift) & 31)); }
static inline u64 rol64(u64 word, unsigned int shift) { return (word << (shift & 63)) | (word >> ((-shift) & 63)); }

static inline unsigned long __bh_next_bit(const unsigned long *addr, unsigned long size, unsigned long from,
                                          unsigned long flip) {
    while (from < size) {
        const unsigned long word = (addr[BIT_WORD(from)] ^ flip) >> (from % BITS_PER_LONG);
        if (word != 0) {
            from += __ffs(word);
            return from < size ? from : size;
        }
        from = (from / BITS_PER_LONG + 1) * BITS_PER_LONG;
    }
    return size;
}
static inline unsigned long find_next_bit(const unsigned long *addr, unsigned long size, unsigned long from) {
    return __bh_next_bit(addr, size, from, 0);
}
static inline unsigned long find_next_zero_bit(const unsigned long *addr, unsigned long size, unsigned long from) {
    return __bh_next_bit(addr, size, from, ~0UL);
}
static inline unsigned long find_first_bit(const unsigned long *addr, unsigned long size) {
    return find_next_bit(addr, size, 0);
}
static inline unsigned long find_first_zero_bit(const unsigned long *addr, unsigned long size) {
    return find_next_zero_bit(addr, size, 0);
}
#define for_each_set_bit(bit, addr, size)                                       \
    for ((bit) = find_first_bit((addr), (size)); (bit) < (size);                \
         (bit) = find_next_bit((addr), (size), (bit) + 1))
#define for_each_clear_bit(bit, addr, size)                                     \
    for ((bit) = find_first_zero_bit((addr), (size)); (bit) < (size);           \
         (bit) = find_next_zero_bit((addr), (size), (bit) + 1))
#endif
