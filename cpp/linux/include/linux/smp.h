#ifndef _LINUX_SMP_H
#define _LINUX_SMP_H

#include <linux/cpumask.h>
#include <linux/preempt.h>
#include <linux/types.h>

typedef void (*smp_call_func_t)(void *info);

int __bh_smp_processor_id(void) __bh_symbol(smp_processor_id);
int smp_call_function_single(int cpu, smp_call_func_t func, void *info, int wait)
    __bh_symbol(smp_call_function_single);
void on_each_cpu(smp_call_func_t func, void *info, int wait) __bh_symbol(on_each_cpu);
void smp_call_function(smp_call_func_t func, void *info, int wait) __bh_symbol(smp_call_function);

#define smp_processor_id() __bh_smp_processor_id()
#define raw_smp_processor_id() __bh_smp_processor_id()
#define __smp_processor_id() __bh_smp_processor_id()
#define get_cpu()                   \
    __extension__({                 \
        preempt_disable();          \
        __bh_smp_processor_id();    \
    })
#define put_cpu() preempt_enable()
#define cpu_to_node(cpu) 0
#define numa_node_id() 0
#define NUMA_NO_NODE (-1)
#endif
