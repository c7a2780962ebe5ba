#ifndef _LINUX_GFP_H
#define _LINUX_GFP_H
#include <linux/types.h>
#define __GFP_DIRECT_RECLAIM 0x400u /* it may sleep */
#define __GFP_HIGH 0x20u
#define __GFP_IO 0x40u
#define __GFP_FS 0x80u
#define __GFP_ZERO 0x100u
#define __GFP_NOWARN 0x2000u
#define __GFP_RETRY_MAYFAIL 0x4000u
#define __GFP_NOFAIL 0x8000u
#define __GFP_NORETRY 0x10000u
#define __GFP_MEMALLOC 0x20000u
#define __GFP_COMP 0x40000u
#define __GFP_HIGHMEM 0x2u
#define GFP_DMA 0x01u
#define GFP_DMA32 0x04u
#define GFP_ATOMIC __GFP_HIGH
#define GFP_KERNEL (__GFP_DIRECT_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_KERNEL_ACCOUNT GFP_KERNEL
#define GFP_NOWAIT __GFP_NOWARN
#define GFP_NOIO __GFP_DIRECT_RECLAIM
#define GFP_NOFS (__GFP_DIRECT_RECLAIM | __GFP_IO)
#define GFP_USER GFP_KERNEL
#define GFP_HIGHUSER (GFP_KERNEL | __GFP_HIGHMEM)
static inline bool gfpflags_allow_blocking(gfp_t flags) { return (flags & __GFP_DIRECT_RECLAIM) != 0; }
unsigned long __get_free_pages(gfp_t flags, unsigned int order) __bh_symbol(get_free_pages);
void free_pages(unsigned long addr, unsigned int order) __bh_symbol(free_pages);
#ifndef PAGE_SIZE
#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#endif
#define __get_free_page(flags) __get_free_pages(flags, 0)
#define get_zeroed_page(flags) __get_free_pages((flags) | __GFP_ZERO, 0)
#define free_page(addr) free_pages(addr, 0)
#define PAGE_ALIGN(addr) (((addr) + PAGE_SIZE - 1) & PAGE_MASK)
#endif
