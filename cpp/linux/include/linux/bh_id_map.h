/* What idr.h and xarray.h stand on: pointers by number, kept by the library. All zero is an empty map. */
#ifndef _LINUX_BH_ID_MAP_H
#define _LINUX_BH_ID_MAP_H

#include <linux/compiler.h>
#include <linux/types.h>

struct __bh_id_map {
    void *entries;
    u32 lock;
    u32 next; /* where a cyclic search goes on */
};
/* 0, and the number in *id: the first free one from `first` to `last`. Negative: -ENOSPC, -ENOMEM. */
int __bh_id_alloc(struct __bh_id_map *map, unsigned long *id, void *entry, unsigned long first, unsigned long last)
    __bh_symbol(id_alloc);
/* The same from map->next on, then from `first`. 1: it began anew. */
int __bh_id_alloc_cyclic(struct __bh_id_map *map, unsigned long *id, void *entry, unsigned long first,
                         unsigned long last) __bh_symbol(id_alloc_cyclic);
/* The entry there, or NULL. */
void *__bh_id_find(const struct __bh_id_map *map, unsigned long id) __bh_symbol(id_find);
/* Puts an entry there when what is there is wanted (there: 0 nothing, 1 something, 2 either). Returns 0, -EBUSY, -ENOENT
 * or -ENOMEM, and what was there. */
int __bh_id_set(struct __bh_id_map *map, unsigned long id, void *entry, int there, void **before) __bh_symbol(id_set);
void *__bh_id_remove(struct __bh_id_map *map, unsigned long id, bool *was_there) __bh_symbol(id_remove);
/* The first entry that is not NULL from *id to `last`, and its number. */
void *__bh_id_next(const struct __bh_id_map *map, unsigned long *id, unsigned long last) __bh_symbol(id_next);
bool __bh_id_is_empty(const struct __bh_id_map *map) __bh_symbol(id_is_empty);
void __bh_id_destroy(struct __bh_id_map *map) __bh_symbol(id_destroy);

#endif
