/* Interrupts on and off on the calling task's CPU. */
#ifndef _LINUX_IRQFLAGS_H
#define _LINUX_IRQFLAGS_H

#include <linux/compiler.h>
#include <linux/types.h>

void local_irq_disable(void) __bh_symbol(local_irq_disable);
void local_irq_enable(void) __bh_symbol(local_irq_enable);
unsigned long __bh_local_irq_save(void) __bh_symbol(local_irq_save);
void __bh_local_irq_restore(unsigned long flags) __bh_symbol(local_irq_restore);
unsigned long __bh_local_save_flags(void) __bh_symbol(local_save_flags);
bool irqs_disabled(void) __bh_symbol(irqs_disabled);

#define local_irq_save(flags) ((void)((flags) = __bh_local_irq_save()))
#define local_irq_restore(flags) __bh_local_irq_restore(flags)
#define local_save_flags(flags) ((void)((flags) = __bh_local_save_flags()))
static inline bool irqs_disabled_flags(unsigned long flags) { return flags != 0; }
#endif
