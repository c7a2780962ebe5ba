/* What of a kernel's configuration is true here. A symbol that is missing is "n": what it stands for is not there. */
#ifndef _GENERATED_AUTOCONF_H
#define _GENERATED_AUTOCONF_H

/* The processor and the compiler. */
#if defined(__x86_64__)
#define CONFIG_X86 1
#define CONFIG_X86_64 1
#elif defined(__aarch64__)
#define CONFIG_ARM64 1
#endif
#ifdef __LP64__
#define CONFIG_64BIT 1
#endif
#ifdef __clang__
#define CONFIG_CC_IS_CLANG 1
#else
#define CONFIG_CC_IS_GCC 1
#endif
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define CONFIG_CPU_BIG_ENDIAN 1
#endif

/* CPUs and time. */
#define CONFIG_SMP 1
#define CONFIG_NR_CPUS 1024
#define CONFIG_HOTPLUG_CPU 1
#define CONFIG_HIGH_RES_TIMERS 1
#define CONFIG_IRQ_WORK 1
#ifdef HZ
#define CONFIG_HZ HZ
#else
#define CONFIG_HZ 1000
#endif
#if CONFIG_HZ == 100
#define CONFIG_HZ_100 1
#elif CONFIG_HZ == 250
#define CONFIG_HZ_250 1
#elif CONFIG_HZ == 300
#define CONFIG_HZ_300 1
#elif CONFIG_HZ == 1000
#define CONFIG_HZ_1000 1
#endif

/* Modules, their messages and their files. */
#define CONFIG_MODULES 1
#define CONFIG_MODULE_UNLOAD 1
#define CONFIG_PRINTK 1
#define CONFIG_PRINTK_TIME 1
#define CONFIG_BUG 1
#define CONFIG_KALLSYMS 1
#define CONFIG_PROC_FS 1
#define CONFIG_SYSFS 1
#define CONFIG_DEBUG_FS 1

/* What is looked at as modules run. */
#define CONFIG_PREEMPT_COUNT 1
#define CONFIG_DEBUG_ATOMIC_SLEEP 1

#endif
