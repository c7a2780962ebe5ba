/* The execution context, as preempt_count has it. */
#ifndef _LINUX_PREEMPT_H
#define _LINUX_PREEMPT_H

#include <linux/compiler.h>
#include <linux/types.h>

#define PREEMPT_OFFSET 0x1UL
#define SOFTIRQ_OFFSET 0x100UL
#define SOFTIRQ_DISABLE_OFFSET 0x200UL
#define HARDIRQ_OFFSET 0x10000UL
#define PREEMPT_MASK 0x000000ffUL
#define SOFTIRQ_MASK 0x0000ff00UL
#define HARDIRQ_MASK 0x000f0000UL
#define NMI_MASK 0x00f00000UL

unsigned int __bh_preempt_count(void) __bh_symbol(preempt_count);
void preempt_disable(void) __bh_symbol(preempt_disable);
void preempt_enable(void) __bh_symbol(preempt_enable);

#define preempt_count() ((int)__bh_preempt_count())
#define preempt_enable_no_resched() preempt_enable()
#define preempt_disable_notrace() preempt_disable()
#define preempt_enable_notrace() preempt_enable()
#define preempt_check_resched() ((void)0)
/* Accepted: a task changes its CPU only when it goes offline. Sleeping stays allowed. */
#define migrate_disable() ((void)0)
#define migrate_enable() ((void)0)

#define hardirq_count() (__bh_preempt_count() & HARDIRQ_MASK)
#define softirq_count() (__bh_preempt_count() & SOFTIRQ_MASK)
#define irq_count() (__bh_preempt_count() & (NMI_MASK | HARDIRQ_MASK | SOFTIRQ_MASK))
#define in_nmi() ((__bh_preempt_count() & NMI_MASK) != 0)
#define in_hardirq() (hardirq_count() != 0)
#define in_irq() (hardirq_count() != 0)
#define in_softirq() (softirq_count() != 0)
#define in_serving_softirq() ((__bh_preempt_count() & SOFTIRQ_OFFSET) != 0)
#define in_interrupt() (irq_count() != 0)
#define in_task() ((__bh_preempt_count() & (NMI_MASK | HARDIRQ_MASK | SOFTIRQ_OFFSET)) == 0)
#define in_atomic() (__bh_preempt_count() != 0)
#define preemptible() (__bh_preempt_count() == 0 && !irqs_disabled())
#define interrupt_context_level() (in_nmi() ? 3 : in_hardirq() ? 2 : in_serving_softirq() ? 1 : 0)

#include <linux/irqflags.h>
#endif
