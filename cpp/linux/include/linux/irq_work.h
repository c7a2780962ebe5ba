/* A function in a hard interrupt of its own: at once or, where interrupts are off, when they come on again. */
#ifndef _LINUX_IRQ_WORK_H
#define _LINUX_IRQ_WORK_H
#include <linux/types.h>
struct irq_work {
    u32 __state;
    void (*func)(struct irq_work *work);
};
#define IRQ_WORK_INIT(function) {0, (function)}
#define IRQ_WORK_INIT_LAZY(function) IRQ_WORK_INIT(function)
#define IRQ_WORK_INIT_HARD(function) IRQ_WORK_INIT(function)
#define DEFINE_IRQ_WORK(name, function) struct irq_work name = IRQ_WORK_INIT(function)
static inline void init_irq_work(struct irq_work *work, void (*func)(struct irq_work *)) {
    work->__state = 0;
    work->func = func;
}
bool irq_work_queue(struct irq_work *work) __bh_symbol(irq_work_queue);
bool irq_work_queue_on(struct irq_work *work, int cpu) __bh_symbol(irq_work_queue_on);
void irq_work_sync(struct irq_work *work) __bh_symbol(irq_work_sync);
static inline bool irq_work_is_pending(struct irq_work *work) {
    return (__atomic_load_n(&work->__state, __ATOMIC_ACQUIRE) & 1) != 0;
}
static inline bool irq_work_is_busy(struct irq_work *work) {
    return __atomic_load_n(&work->__state, __ATOMIC_ACQUIRE) != 0;
}
#endif
