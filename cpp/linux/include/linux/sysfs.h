/* Files of one value each below /sys, with the machine's other files (m.open). */
#ifndef _LINUX_SYSFS_H
#define _LINUX_SYSFS_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/stat.h>
#include <linux/types.h>

struct kobject;
struct attribute {
    const char *name;
    umode_t mode;
};
struct attribute_group {
    const char *name; /* of a directory of their own; NULL: none */
    umode_t (*is_visible)(struct kobject *, struct attribute *, int);
    struct attribute **attrs;
};
struct sysfs_ops {
    ssize_t (*show)(struct kobject *, struct attribute *, char *);
    ssize_t (*store)(struct kobject *, struct attribute *, const char *, size_t);
};

#define __ATTR(_name, _mode, _show, _store) \
    { .attr = {.name = __stringify(_name), .mode = _mode}, .show = _show, .store = _store }
#define __ATTR_RO(_name) __ATTR(_name, 0444, _name##_show, NULL)
#define __ATTR_WO(_name) __ATTR(_name, 0200, NULL, _name##_store)
#define __ATTR_RW(_name) __ATTR(_name, 0644, _name##_show, _name##_store)
#define __ATTR_NULL { .attr = {.name = NULL} }
#define ATTRIBUTE_GROUPS(_name)                                                  \
    static const struct attribute_group _name##_group = {.attrs = _name##_attrs}; \
    static const struct attribute_group *_name##_groups[] = {&_name##_group, NULL}
#define sysfs_attr_init(attr) ((void)(attr))

int sysfs_create_file(struct kobject *kobj, const struct attribute *attr) __bh_symbol(sysfs_create_file);
void sysfs_remove_file(struct kobject *kobj, const struct attribute *attr) __bh_symbol(sysfs_remove_file);
int sysfs_create_group(struct kobject *kobj, const struct attribute_group *group) __bh_symbol(sysfs_create_group);
void sysfs_remove_group(struct kobject *kobj, const struct attribute_group *group) __bh_symbol(sysfs_remove_group);
__printf(2, 3) int sysfs_emit(char *buffer, const char *fmt, ...) __bh_symbol(sysfs_emit);
__printf(3, 4) int sysfs_emit_at(char *buffer, int at, const char *fmt, ...) __bh_symbol(sysfs_emit_at);
#endif
