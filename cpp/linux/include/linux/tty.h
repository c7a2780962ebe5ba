/* Terminals. There is none: no process of a machine has one. */
#ifndef _LINUX_TTY_H
#define _LINUX_TTY_H

#include <linux/compiler.h>
#include <linux/sched/signal.h>
#include <linux/types.h>

struct tty_struct;
struct tty_operations {
    ssize_t (*write)(struct tty_struct *tty, const u8 *buf, size_t count);
    int (*put_char)(struct tty_struct *tty, u8 ch);
    unsigned int (*write_room)(struct tty_struct *tty);
};
struct tty_driver {
    const char *name;
    const struct tty_operations *ops;
};
struct tty_struct {
    int index;
    struct tty_driver *driver;
    const struct tty_operations *ops;
    char name[64];
};

static inline struct tty_struct *get_current_tty(void) { return NULL; }
static inline void tty_kref_put(struct tty_struct *tty) { (void)tty; }
static inline dev_t tty_devnum(struct tty_struct *tty) { return (dev_t)tty->index; }

#endif
