/* Memory. It is the C library's, so the address sanitizer sees what a module does with it. Allocating with GFP_KERNEL
 * where sleeping is forbidden is reported. */
#ifndef _LINUX_SLAB_H
#define _LINUX_SLAB_H

#include <linux/gfp.h>
#include <linux/overflow.h>
#include <linux/types.h>

struct kmem_cache;

#define SLAB_HWCACHE_ALIGN 0x2000u
#define SLAB_PANIC 0x40000u
#define SLAB_ACCOUNT 0x4000000u
#define SLAB_RECLAIM_ACCOUNT 0x20000u
#define SLAB_MEM_SPREAD 0u
#define SLAB_POISON 0x800u
#define SLAB_RED_ZONE 0x400u
#define SLAB_TYPESAFE_BY_RCU 0x80000u
#define ZERO_SIZE_PTR ((void *)16)
#define ZERO_OR_NULL_PTR(x) ((unsigned long)(x) <= (unsigned long)ZERO_SIZE_PTR)
#define KMALLOC_MAX_SIZE (1UL << 22)
#define ARCH_KMALLOC_MINALIGN 8

void *kmalloc(size_t size, gfp_t flags) __bh_symbol(kmalloc);
void *krealloc(const void *object, size_t size, gfp_t flags) __bh_symbol(krealloc);
void kfree(const void *object) __bh_symbol(kfree);
void kfree_sensitive(const void *object) __bh_symbol(kfree);
size_t ksize(const void *object) __bh_symbol(ksize);
char *kstrdup(const char *s, gfp_t flags) __bh_symbol(kstrdup);
char *kstrndup(const char *s, size_t max, gfp_t flags) __bh_symbol(kstrndup);
void *kmemdup(const void *src, size_t len, gfp_t flags) __bh_symbol(kmemdup);
char *kmemdup_nul(const char *s, size_t len, gfp_t flags) __bh_symbol(kmemdup_nul);
struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align, slab_flags_t flags,
                                     void (*ctor)(void *)) __bh_symbol(kmem_cache_create);
void kmem_cache_destroy(struct kmem_cache *cache) __bh_symbol(kmem_cache_destroy);
void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t flags) __bh_symbol(kmem_cache_alloc);
void kmem_cache_free(struct kmem_cache *cache, void *object) __bh_symbol(kmem_cache_free);

#define kfree_const(object) kfree(object)
static inline void *kzalloc(size_t size, gfp_t flags) { return kmalloc(size, flags | __GFP_ZERO); }
static inline void *kmalloc_node(size_t size, gfp_t flags, int node) {
    (void)node;
    return kmalloc(size, flags);
}
static inline void *kzalloc_node(size_t size, gfp_t flags, int node) {
    (void)node;
    return kzalloc(size, flags);
}
static inline void *kmalloc_array(size_t n, size_t size, gfp_t flags) {
    size_t bytes;
    return check_mul_overflow(n, size, &bytes) ? NULL : kmalloc(bytes, flags);
}
static inline void *kcalloc(size_t n, size_t size, gfp_t flags) { return kmalloc_array(n, size, flags | __GFP_ZERO); }
static inline void *krealloc_array(void *p, size_t n, size_t size, gfp_t flags) {
    size_t bytes;
    return check_mul_overflow(n, size, &bytes) ? NULL : krealloc(p, bytes, flags);
}
static inline void *kvmalloc(size_t size, gfp_t flags) { return kmalloc(size, flags); }
static inline void *kvzalloc(size_t size, gfp_t flags) { return kzalloc(size, flags); }
static inline void *kvcalloc(size_t n, size_t size, gfp_t flags) { return kcalloc(n, size, flags); }
static inline void *kvmalloc_array(size_t n, size_t size, gfp_t flags) { return kmalloc_array(n, size, flags); }
static inline void kvfree(const void *object) { kfree(object); }
static inline void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t flags) {
    return kmem_cache_alloc(cache, flags | __GFP_ZERO);
}
#define KMEM_CACHE(__struct, flags) \
    kmem_cache_create(#__struct, sizeof(struct __struct), __alignof__(struct __struct), flags, NULL)
#define kstrdup_const(s, gfp) kstrdup(s, gfp)
/* The device's lifetime is the module's own business here: such memory is freed by devm_kfree() or at the end. */
struct device;
static inline void *devm_kzalloc(struct device *device, size_t size, gfp_t flags) {
    (void)device;
    return kzalloc(size, flags);
}
static inline void *devm_kmalloc(struct device *device, size_t size, gfp_t flags) {
    (void)device;
    return kmalloc(size, flags);
}
static inline void devm_kfree(struct device *device, const void *object) {
    (void)device;
    kfree(object);
}
#endif
