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

/* The loader finds the two functions by these names. */
#define module_init(initfn)                                                                                       \
    extern int __bh_module_init(void) __asm__("bh_linux_module_init") __attribute__((visibility("default"), used)); \
    int __bh_module_init(void) { return initfn(); }
#define module_exit(exitfn)                                                                                        \
    extern void __bh_module_exit(void) __asm__("bh_linux_module_exit") __attribute__((visibility("default"), used)); \
    void __bh_module_exit(void) { exitfn(); }

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
