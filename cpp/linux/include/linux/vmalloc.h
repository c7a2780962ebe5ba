#ifndef _LINUX_VMALLOC_H
#define _LINUX_VMALLOC_H
#include <linux/slab.h>
static inline void *vmalloc(unsigned long size) { return kmalloc(size, GFP_KERNEL); }
#define kvrealloc(p, size, flags) krealloc(p, size, flags)
static inline void *vzalloc(unsigned long size) { return kzalloc(size, GFP_KERNEL); }
static inline void vfree(const void *addr) { kfree(addr); }
#endif
