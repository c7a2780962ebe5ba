#ifndef _LINUX_PROCESSOR_H
#define _LINUX_PROCESSOR_H
#include <linux/compiler.h>
/* One turn of a loop that polls. On a simulated machine it takes time and lets others run: a loop without it never
 * ends there. */
void cpu_relax(void) __bh_symbol(cpu_relax);
#define spin_begin() ((void)0)
#define spin_end() ((void)0)
#define spin_cpu_relax() cpu_relax()
#endif
