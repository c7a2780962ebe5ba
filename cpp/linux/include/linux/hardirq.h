#ifndef _LINUX_HARDIRQ_H
#define _LINUX_HARDIRQ_H
#include <linux/bottom_half.h>
#include <linux/preempt.h>
#define synchronize_hardirq(irq) __bh_synchronize_hardirq(irq)
void synchronize_irq(unsigned int irq) __bh_symbol(synchronize_irq);
bool __bh_synchronize_hardirq(unsigned int irq) __bh_symbol(synchronize_hardirq);
#endif
