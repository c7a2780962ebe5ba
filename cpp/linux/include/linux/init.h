/* Where a module begins and ends. Sections that a kernel would discard are kept. */
#ifndef _LINUX_INIT_H
#define _LINUX_INIT_H

#include <linux/compiler.h>
#include <linux/types.h>

#define __init
#define __exit
#define __initdata
#define __initconst
#define __exitdata
#define __devinit
#define __devexit
#define __devinitdata
#define __init_or_module
#define __initdata_or_module
#define __net_init
#define __net_exit
#define __exit_p(x) (x)
#define __setup(str, fn)

typedef int (*initcall_t)(void);
typedef void (*exitcall_t)(void);

/* The loader finds the two functions by these names; reports name them as their author did. */
#ifdef __cplusplus
#define __bh_entry(type, symbol, entry, fn)                                                       \
    extern type entry(void) __asm__(symbol) __attribute__((visibility("default"), used)); \
    type entry(void) { return fn(); }
#else
#define __bh_entry(type, symbol, entry, fn)                                                          \
    static inline __attribute__((unused)) type (*__bh_type_of_##entry(void))(void) { return fn; } \
    extern type entry(void) __asm__(symbol) __attribute__((visibility("default"), used, alias(#fn)))
#endif
#define module_init(initfn) __bh_entry(int, "bh_linux_module_init", __bh_module_init, initfn);
#define module_exit(exitfn) __bh_entry(void, "bh_linux_module_exit", __bh_module_exit, exitfn);

/* A built-in's entry points; a module has one of them. */
#define early_initcall(fn) module_init(fn)
#define core_initcall(fn) module_init(fn)
#define postcore_initcall(fn) module_init(fn)
#define arch_initcall(fn) module_init(fn)
#define subsys_initcall(fn) module_init(fn)
#define fs_initcall(fn) module_init(fn)
#define rootfs_initcall(fn) module_init(fn)
#define device_initcall(fn) module_init(fn)
#define late_initcall(fn) module_init(fn)
#define __initcall(fn) module_init(fn)
#define __exitcall(fn) module_exit(fn)

#endif
