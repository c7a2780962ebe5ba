#ifndef _LINUX_MM_H
#define _LINUX_MM_H
#include <linux/gfp.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
struct vm_area_struct;
/* Memory is the process's: an address is its own physical address, and no part of the addresses is the kernel's. */
#define PAGE_OFFSET 0UL
#define __pa(x) ((phys_addr_t)(uintptr_t)(x))
#define __va(x) ((void *)(uintptr_t)(x))
static inline phys_addr_t virt_to_phys(volatile void *address) { return (phys_addr_t)(uintptr_t)address; }
static inline void *phys_to_virt(phys_addr_t address) { return (void *)(uintptr_t)address; }
#endif
