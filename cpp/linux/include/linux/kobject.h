/* Objects with a directory below /sys. */
#ifndef _LINUX_KOBJECT_H
#define _LINUX_KOBJECT_H

#include <linux/compiler.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/stringify.h>
#include <linux/sysfs.h>
#include <linux/types.h>
#include <linux/wait.h>

struct kobj_type {
    void (*release)(struct kobject *);
    const struct sysfs_ops *sysfs_ops;
    const struct attribute_group **default_groups;
};
struct kobject {
    const char *name;
    struct kobject *parent;
    const struct kobj_type *ktype;
    char *__path; /* NULL: it has no directory */
    int __references;
};
struct kobj_attribute {
    struct attribute attr;
    ssize_t (*show)(struct kobject *, struct kobj_attribute *, char *);
    ssize_t (*store)(struct kobject *, struct kobj_attribute *, const char *, size_t);
};

struct kobject *__bh_sys_root(const char *path) __bh_symbol(sys_root);
#define kernel_kobj __bh_sys_root("/sys/kernel")
#define mm_kobj __bh_sys_root("/sys/kernel/mm")
#define firmware_kobj __bh_sys_root("/sys/firmware")

void kobject_init(struct kobject *kobj, const struct kobj_type *ktype) __bh_symbol(kobject_init);
/* Before it is added: its name, kept as long as the machine lives. */
__printf(2, 3) int kobject_set_name(struct kobject *kobj, const char *fmt, ...) __bh_symbol(kobject_set_name);
__printf(3, 4) int kobject_add(struct kobject *kobj, struct kobject *parent, const char *fmt, ...)
    __bh_symbol(kobject_add);
__printf(4, 5) int kobject_init_and_add(struct kobject *kobj, const struct kobj_type *ktype, struct kobject *parent,
                                        const char *fmt, ...) __bh_symbol(kobject_init_and_add);
struct kobject *kobject_create_and_add(const char *name, struct kobject *parent) __bh_symbol(kobject_create_and_add);
struct kobject *kobject_get(struct kobject *kobj) __bh_symbol(kobject_get);
void kobject_put(struct kobject *kobj) __bh_symbol(kobject_put);
void kobject_del(struct kobject *kobj) __bh_symbol(kobject_del);
static inline const char *kobject_name(const struct kobject *kobj) { return kobj->name; }
#endif
