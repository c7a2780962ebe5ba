/* Static keys: a branch that is seldom switched. Here it is a variable like any other. */
#ifndef _LINUX_JUMP_LABEL_H
#define _LINUX_JUMP_LABEL_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/types.h>

struct static_key {
    atomic_t enabled; /* how many want it */
};
struct static_key_true {
    struct static_key key;
};
struct static_key_false {
    struct static_key key;
};

#define STATIC_KEY_INIT_TRUE {ATOMIC_INIT(1)}
#define STATIC_KEY_INIT_FALSE {ATOMIC_INIT(0)}
#define DEFINE_STATIC_KEY_TRUE(name) struct static_key_true name = {STATIC_KEY_INIT_TRUE}
#define DEFINE_STATIC_KEY_FALSE(name) struct static_key_false name = {STATIC_KEY_INIT_FALSE}
#define DECLARE_STATIC_KEY_TRUE(name) extern struct static_key_true name
#define DECLARE_STATIC_KEY_FALSE(name) extern struct static_key_false name

static inline int static_key_count(const struct static_key *key) { return atomic_read(&key->enabled); }
static inline bool static_key_enabled_count(const struct static_key *key) { return static_key_count(key) > 0; }
static inline void static_key_slow_inc(struct static_key *key) { atomic_inc(&key->enabled); }
static inline void static_key_slow_dec(struct static_key *key) { atomic_dec(&key->enabled); }
static inline void static_key_enable(struct static_key *key) { (void)atomic_cmpxchg(&key->enabled, 0, 1); }
static inline void static_key_disable(struct static_key *key) { (void)atomic_cmpxchg(&key->enabled, 1, 0); }

#define static_key_enabled(x) static_key_enabled_count((const struct static_key *)(x))
#define static_branch_likely(x) likely(static_key_enabled(&(x)->key))
#define static_branch_unlikely(x) unlikely(static_key_enabled(&(x)->key))
#define static_branch_enable(x) static_key_enable(&(x)->key)
#define static_branch_disable(x) static_key_disable(&(x)->key)
#define static_branch_inc(x) static_key_slow_inc(&(x)->key)
#define static_branch_dec(x) static_key_slow_dec(&(x)->key)

#endif
