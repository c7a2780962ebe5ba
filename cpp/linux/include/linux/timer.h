/* Timers of the wheel, fired in TIMER_SOFTIRQ. */
#ifndef _LINUX_TIMER_H
#define _LINUX_TIMER_H

#include <linux/container_of.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/timer_types.h>

#define TIMER_DEFERRABLE 0x00080000
#define TIMER_PINNED 0x00100000
#define TIMER_IRQSAFE 0x00200000

#define __TIMER_INITIALIZER(function_, flags_) {{NULL, NULL}, 0, (function_), (flags_), 0}
#define TIMER_INITIALIZER(function_, flags_) __TIMER_INITIALIZER(function_, flags_)
#define DEFINE_TIMER(name, function_) struct timer_list name = __TIMER_INITIALIZER(function_, 0)

void timer_setup(struct timer_list *timer, void (*callback)(struct timer_list *), unsigned int flags)
    __bh_symbol(timer_setup);
bool timer_pending(const struct timer_list *timer) __bh_symbol(timer_pending);
void add_timer(struct timer_list *timer) __bh_symbol(add_timer);
void add_timer_local(struct timer_list *timer) __bh_symbol(add_timer_local);
void add_timer_global(struct timer_list *timer) __bh_symbol(add_timer_global);
void add_timer_on(struct timer_list *timer, int cpu) __bh_symbol(add_timer_on);
int mod_timer(struct timer_list *timer, unsigned long expires) __bh_symbol(mod_timer);
int mod_timer_pending(struct timer_list *timer, unsigned long expires) __bh_symbol(mod_timer_pending);
int timer_reduce(struct timer_list *timer, unsigned long expires) __bh_symbol(timer_reduce);
int timer_delete(struct timer_list *timer) __bh_symbol(timer_delete);
int timer_delete_sync(struct timer_list *timer) __bh_symbol(timer_delete_sync);
int try_to_del_timer_sync(struct timer_list *timer) __bh_symbol(try_to_del_timer_sync);
int timer_shutdown(struct timer_list *timer) __bh_symbol(timer_shutdown);
int timer_shutdown_sync(struct timer_list *timer) __bh_symbol(timer_shutdown_sync);

#define timer_setup_on_stack(timer, callback, flags) timer_setup(timer, callback, flags)
static inline void destroy_timer_on_stack(struct timer_list *timer) { (void)timer; }
#define init_timer_key(timer, func, flags, name, key) timer_setup(timer, func, flags)

/* Gone in 6.15; the old names still work here. */
#define del_singleshot_timer_sync(timer) del_timer_sync(timer)
static inline __bh_legacy("del_timer() is timer_delete() since 6.2 and gone in 6.15") int
del_timer(struct timer_list *timer) { return timer_delete(timer); }
static inline __bh_legacy("del_timer_sync() is timer_delete_sync() since 6.2 and gone in 6.15") int
del_timer_sync(struct timer_list *timer) { return timer_delete_sync(timer); }

#define from_timer(var, callback_timer, timer_fieldname) \
    container_of(callback_timer, __typeof__(*var), timer_fieldname)
#define timer_container_of(var, callback_timer, timer_fieldname) from_timer(var, callback_timer, timer_fieldname)

#ifdef BOTTOMHALF_LEGACY_API
/* Until 4.15 a timer's handler took an unsigned long. The number is kept beside the timer's address. */
void __bh_setup_timer_old(struct timer_list *timer, void (*function)(unsigned long), unsigned long data)
    __bh_symbol(setup_timer);
static inline __bh_legacy("setup_timer(timer, fn, data) is timer_setup(timer, fn, flags) since 4.15: the handler takes "
                          "the struct timer_list *, from_timer() leads to what is around it") void
setup_timer(struct timer_list *timer, void (*function)(unsigned long), unsigned long data) {
    __bh_setup_timer_old(timer, function, data);
}
static inline __bh_legacy("init_timer() went in 4.15: use timer_setup(timer, fn, flags)") void
init_timer(struct timer_list *timer) { timer_setup(timer, NULL, 0); }
#endif

#endif
