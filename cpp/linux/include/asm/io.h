/* Registers in memory. There is no device behind them but what a module puts there, and there are no ports. */
#ifndef _ASM_IO_H
#define _ASM_IO_H
#include <linux/compiler.h>
#include <linux/mm.h>
#include <linux/types.h>
#ifndef __iomem
#define __iomem
#endif
#define __bh_io(suffix, type)                                                                                        \
    static inline type read##suffix(const volatile void __iomem *addr) { return *(const volatile type *)addr; }      \
    static inline void write##suffix(type value, volatile void __iomem *addr) { *(volatile type *)addr = value; }
__bh_io(b, u8) __bh_io(w, u16) __bh_io(l, u32) __bh_io(q, u64)
#define ioread8(addr) readb(addr)
#define ioread16(addr) readw(addr)
#define ioread32(addr) readl(addr)
#define iowrite8(value, addr) writeb(value, addr)
#define iowrite16(value, addr) writew(value, addr)
#define iowrite32(value, addr) writel(value, addr)
#define memcpy_fromio(to, from, n) __builtin_memcpy(to, (const void *)(from), n)
#define memcpy_toio(to, from, n) __builtin_memcpy((void *)(to), from, n)
#define memset_io(addr, value, n) __builtin_memset((void *)(addr), value, n)
#endif
