/* Interrupt lines, softirqs and tasklets. A line is fired by whoever plays the device: Machine.irq(n).fire() from
 * outside, irq_inject_interrupt(n) from a module. */
#ifndef _LINUX_INTERRUPT_H
#define _LINUX_INTERRUPT_H

#include <linux/bottom_half.h>
#include <linux/container_of.h>
#include <linux/cpumask.h>
#include <linux/hardirq.h>
#include <linux/irqflags.h>
#include <linux/irqreturn.h>
#include <linux/kernel.h>
#include <linux/kref.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#define IRQF_TRIGGER_NONE 0x00000000
#define IRQF_TRIGGER_RISING 0x00000001
#define IRQF_TRIGGER_FALLING 0x00000002
#define IRQF_TRIGGER_HIGH 0x00000004
#define IRQF_TRIGGER_LOW 0x00000008
#define IRQF_TRIGGER_MASK 0x0000000f
#define IRQF_SHARED 0x00000080
#define IRQF_PROBE_SHARED 0x00000100
#define __IRQF_TIMER 0x00000200
#define IRQF_PERCPU 0x00000400
#define IRQF_NOBALANCING 0x00000800
#define IRQF_ONESHOT 0x00002000
#define IRQF_NO_SUSPEND 0x00004000
#define IRQF_NO_THREAD 0x00010000
#define IRQF_NO_AUTOEN 0x00080000
#define IRQF_NO_DEBUG 0x00100000
#define IRQF_COND_ONESHOT 0x00200000
#define IRQF_TIMER (__IRQF_TIMER | IRQF_NO_SUSPEND | IRQF_NO_THREAD)
#define IRQ_NOTCONNECTED (1U << 31)

typedef irqreturn_t (*irq_handler_t)(int irq, void *dev);

int __must_check request_threaded_irq(unsigned int irq, irq_handler_t handler, irq_handler_t thread_fn,
                                      unsigned long flags, const char *name, void *dev)
    __bh_symbol(request_threaded_irq);
int __must_check request_any_context_irq(unsigned int irq, irq_handler_t handler, unsigned long flags,
                                         const char *name, void *dev) __bh_symbol(request_any_context_irq);
const void *free_irq(unsigned int irq, void *dev) __bh_symbol(free_irq);
void disable_irq(unsigned int irq) __bh_symbol(disable_irq);
void disable_irq_nosync(unsigned int irq) __bh_symbol(disable_irq_nosync);
bool disable_hardirq(unsigned int irq) __bh_symbol(disable_hardirq);
void enable_irq(unsigned int irq) __bh_symbol(enable_irq);
void irq_wake_thread(unsigned int irq, void *dev) __bh_symbol(irq_wake_thread);
int irq_has_action(unsigned int irq) __bh_symbol(irq_has_action);
int irq_inject_interrupt(unsigned int irq) __bh_symbol(irq_inject_interrupt);
int generic_handle_irq(unsigned int irq) __bh_symbol(irq_inject_interrupt);

static inline int __must_check request_irq(unsigned int irq, irq_handler_t handler, unsigned long flags,
                                           const char *name, void *dev) {
    return request_threaded_irq(irq, handler, NULL, flags | IRQF_COND_ONESHOT, name, dev);
}
struct device;
static inline int __must_check devm_request_threaded_irq(struct device *device, unsigned int irq,
                                                         irq_handler_t handler, irq_handler_t thread_fn,
                                                         unsigned long flags, const char *name, void *dev) {
    (void)device;
    return request_threaded_irq(irq, handler, thread_fn, flags, name, dev);
}
static inline int __must_check devm_request_irq(struct device *device, unsigned int irq, irq_handler_t handler,
                                                unsigned long flags, const char *name, void *dev) {
    return devm_request_threaded_irq(device, irq, handler, NULL, flags, name, dev);
}
static inline void devm_free_irq(struct device *device, unsigned int irq, void *dev) {
    (void)device;
    free_irq(irq, dev);
}
/* Accepted: a line is fired on the CPU that its device names. */
static inline int irq_set_affinity_hint(unsigned int irq, const struct cpumask *m) {
    (void)irq;
    (void)m;
    return 0;
}
#define irq_set_affinity(irq, m) irq_set_affinity_hint(irq, m)
#define irq_set_affinity_and_hint(irq, m) irq_set_affinity_hint(irq, m)

/* Softirqs. */
enum {
    HI_SOFTIRQ = 0,
    TIMER_SOFTIRQ,
    NET_TX_SOFTIRQ,
    NET_RX_SOFTIRQ,
    BLOCK_SOFTIRQ,
    IRQ_POLL_SOFTIRQ,
    TASKLET_SOFTIRQ,
    SCHED_SOFTIRQ,
    HRTIMER_SOFTIRQ,
    RCU_SOFTIRQ,
    NR_SOFTIRQS
};
struct softirq_action {
    void (*action)(struct softirq_action *);
};

void __bh_open_softirq(int nr, void (*action)(void)) __bh_symbol(open_softirq);
void raise_softirq(unsigned int nr) __bh_symbol(raise_softirq);
void raise_softirq_irqoff(unsigned int nr) __bh_symbol(raise_softirq);
void __raise_softirq_irqoff(unsigned int nr) __bh_symbol(__raise_softirq_irqoff);
void do_softirq(void) __bh_symbol(do_softirq);
u32 __bh_local_softirq_pending(void) __bh_symbol(local_softirq_pending);
const char *__bh_softirq_name(unsigned int nr) __bh_symbol(softirq_name);
/* Handlers took a struct softirq_action * until 6.12; they still may, and get none. */
#define open_softirq(nr, action) __bh_open_softirq(nr, (void (*)(void))(action))
#define local_softirq_pending() __bh_local_softirq_pending()
#define softirq_to_name(nr) __bh_softirq_name(nr)

#include <linux/tasklet.h>
#endif
