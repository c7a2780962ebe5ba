/* Random numbers: of the machine, so that a simulated one draws the same in every run. */
#ifndef _LINUX_RANDOM_H
#define _LINUX_RANDOM_H
#include <linux/types.h>
void get_random_bytes(void *buf, size_t len) __bh_symbol(get_random_bytes);
static inline u64 get_random_u64(void) {
    u64 v;
    get_random_bytes(&v, sizeof v);
    return v;
}
static inline u32 get_random_u32(void) { return (u32)get_random_u64(); }
static inline u16 get_random_u16(void) { return (u16)get_random_u64(); }
static inline u8 get_random_u8(void) { return (u8)get_random_u64(); }
static inline unsigned int get_random_int(void) { return get_random_u32(); }
static inline unsigned long get_random_long(void) { return (unsigned long)get_random_u64(); }
static inline u32 get_random_u32_below(u32 ceil) { return (u32)(((u64)get_random_u32() * ceil) >> 32); }
static inline u32 get_random_u32_inclusive(u32 floor, u32 ceil) {
    return floor + get_random_u32_below(ceil - floor + 1);
}
static inline u32 prandom_u32(void) { return get_random_u32(); }
static inline u32 prandom_u32_max(u32 ceil) { return get_random_u32_below(ceil); }
static inline int wait_for_random_bytes(void) { return 0; }
#endif
