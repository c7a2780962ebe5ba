/* What code says of the locks it needs. Locks themselves are watched on simulated machines. */
#ifndef _LINUX_LOCKDEP_H
#define _LINUX_LOCKDEP_H
#include <linux/bug.h>
#include <linux/compiler.h>
struct lock_class_key {
    int __none;
};
/* Every lock here begins with its owner. */
#define lockdep_is_held(lock) (READ_ONCE((lock)->__owner) != NULL)
#define lockdep_assert_held(lock) WARN_ON_ONCE(!lockdep_is_held(lock))
#define lockdep_assert_held_once(lock) lockdep_assert_held(lock)
#define lockdep_assert_not_held(lock) ((void)(lock))
#define lockdep_set_class(lock, key) ((void)(lock), (void)(key))
#define lockdep_register_key(key) ((void)(key))
#define lockdep_unregister_key(key) ((void)(key))
#define lockdep_assert_irqs_disabled() WARN_ON_ONCE(!irqs_disabled())
#define lockdep_assert_irqs_enabled() WARN_ON_ONCE(irqs_disabled())
#include <linux/irqflags.h>
#endif
