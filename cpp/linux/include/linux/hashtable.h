/* Tables of hlist heads whose size is a power of two, known when they are declared. */
#ifndef _LINUX_HASHTABLE_H
#define _LINUX_HASHTABLE_H
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/rculist.h>

#define DECLARE_HASHTABLE(name, bits) struct hlist_head name[1 << (bits)]
#define DEFINE_HASHTABLE(name, bits) struct hlist_head name[1 << (bits)] = {[0 ...((1 << (bits)) - 1)] = HLIST_HEAD_INIT}
#define HASH_SIZE(name) (ARRAY_SIZE(name))
#define HASH_BITS(name) ((unsigned int)ilog2(HASH_SIZE(name)))
#define hash_min(value, bits) (sizeof(value) <= 4 ? hash_32((u32)(value), bits) : hash_long((u64)(value), bits))

static inline void __hash_init(struct hlist_head *table, unsigned int size) {
    unsigned int i;
    for (i = 0; i < size; i++) INIT_HLIST_HEAD(&table[i]);
}
static inline bool __hash_empty(struct hlist_head *table, unsigned int size) {
    unsigned int i;
    for (i = 0; i < size; i++)
        if (!hlist_empty(&table[i])) return false;
    return true;
}
#define hash_init(table) __hash_init(table, HASH_SIZE(table))
#define hash_empty(table) __hash_empty(table, HASH_SIZE(table))
#define hash_hashed(node) (!hlist_unhashed(node))
#define hash_del(node) hlist_del_init(node)
#define hash_del_rcu(node) hlist_del_init_rcu(node)
#define hash_for_each_rcu(table, bkt, obj, member) hash_for_each(table, bkt, obj, member)
#define hash_for_each_possible_rcu(table, obj, member, key) hash_for_each_possible(table, obj, member, key)
#define hash_add(table, node, key) hlist_add_head(node, &(table)[hash_min(key, HASH_BITS(table))])
#define hash_add_rcu(table, node, key) hlist_add_head_rcu(node, &(table)[hash_min(key, HASH_BITS(table))])
#define hash_for_each(table, bkt, obj, member)                                                  \
    for ((bkt) = 0, (obj) = NULL; (obj) == NULL && (bkt) < (int)HASH_SIZE(table); (bkt)++)      \
        hlist_for_each_entry(obj, &(table)[bkt], member)
#define hash_for_each_safe(table, bkt, tmp, obj, member)                                        \
    for ((bkt) = 0, (obj) = NULL; (obj) == NULL && (bkt) < (int)HASH_SIZE(table); (bkt)++)      \
        hlist_for_each_entry_safe(obj, tmp, &(table)[bkt], member)
#define hash_for_each_possible(table, obj, member, key) \
    hlist_for_each_entry(obj, &(table)[hash_min(key, HASH_BITS(table))], member)
#define hash_for_each_possible_safe(table, obj, tmp, member, key) \
    hlist_for_each_entry_safe(obj, tmp, &(table)[hash_min(key, HASH_BITS(table))], member)
#endif
