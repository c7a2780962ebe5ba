/* Classes and devices: names under /dev, and dev_info() and its kin. */
#ifndef _LINUX_DEVICE_H
#define _LINUX_DEVICE_H

#include <linux/err.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/kobject.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/types.h>

struct device {
    struct device *parent;
    void *driver_data;
    u32 devt;
    char __name[64];
    struct kobject kobj;
};
struct device_attribute {
    struct attribute attr;
    ssize_t (*show)(struct device *, struct device_attribute *, char *);
    ssize_t (*store)(struct device *, struct device_attribute *, const char *, size_t);
};
#define DEVICE_ATTR(_name, _mode, _show, _store) \
    struct device_attribute dev_attr_##_name = __ATTR(_name, _mode, _show, _store)
#define DEVICE_ATTR_RW(_name) struct device_attribute dev_attr_##_name = __ATTR_RW(_name)
#define DEVICE_ATTR_RO(_name) struct device_attribute dev_attr_##_name = __ATTR_RO(_name)
#define DEVICE_ATTR_WO(_name) struct device_attribute dev_attr_##_name = __ATTR_WO(_name)
static inline int device_create_file(struct device *dev, const struct device_attribute *attr) {
    return sysfs_create_file(&dev->kobj, &attr->attr);
}
static inline void device_remove_file(struct device *dev, const struct device_attribute *attr) {
    sysfs_remove_file(&dev->kobj, &attr->attr);
}
#ifndef __cplusplus /* where its name is a keyword */
struct class {
    const char *name;
    char *(*devnode)(const struct device *dev, umode_t *mode);
};
/* The owner went in 6.4; both forms are taken. */
struct class *__bh_class_create(const char *name) __bh_symbol(class_create);
#define __bh_class_create_pick(a, b, c, ...) c
#define __bh_class_create_1(name) __bh_class_create(name)
#define __bh_class_create_2(owner, name) __bh_class_create(name)
#define class_create(...) \
    __bh_class_create_pick(__VA_ARGS__, __bh_class_create_2, __bh_class_create_1, )(__VA_ARGS__)
static inline int class_register(const struct class *cls) {
    (void)cls;
    return 0;
}
/* What class_create() made, class_destroy() frees. */
static inline void class_unregister(const struct class *cls) { (void)cls; }
void class_destroy(const struct class *cls) __bh_symbol(class_destroy);
__printf(5, 6) struct device *device_create(const struct class *cls, struct device *parent, dev_t devt, void *drvdata,
                                            const char *fmt, ...) __bh_symbol(device_create);
void device_destroy(const struct class *cls, dev_t devt) __bh_symbol(device_destroy);
#endif

static inline void *dev_get_drvdata(const struct device *dev) { return dev->driver_data; }
static inline void dev_set_drvdata(struct device *dev, void *data) { dev->driver_data = data; }
static inline const char *dev_name(const struct device *dev) { return dev != NULL ? dev->__name : "(NULL device *)"; }

#define __bh_dev_printk(level, dev, fmt, ...) printk(level "%s: " fmt, dev_name(dev), ##__VA_ARGS__)
#define dev_printk(level, dev, fmt, ...) __bh_dev_printk(level, dev, fmt, ##__VA_ARGS__)
#define dev_emerg(dev, fmt, ...) __bh_dev_printk(KERN_EMERG, dev, fmt, ##__VA_ARGS__)
#define dev_alert(dev, fmt, ...) __bh_dev_printk(KERN_ALERT, dev, fmt, ##__VA_ARGS__)
#define dev_crit(dev, fmt, ...) __bh_dev_printk(KERN_CRIT, dev, fmt, ##__VA_ARGS__)
#define dev_err(dev, fmt, ...) __bh_dev_printk(KERN_ERR, dev, fmt, ##__VA_ARGS__)
#define dev_warn(dev, fmt, ...) __bh_dev_printk(KERN_WARNING, dev, fmt, ##__VA_ARGS__)
#define dev_notice(dev, fmt, ...) __bh_dev_printk(KERN_NOTICE, dev, fmt, ##__VA_ARGS__)
#define dev_info(dev, fmt, ...) __bh_dev_printk(KERN_INFO, dev, fmt, ##__VA_ARGS__)
#ifdef DEBUG
#define dev_dbg(dev, fmt, ...) __bh_dev_printk(KERN_DEBUG, dev, fmt, ##__VA_ARGS__)
#else
#define dev_dbg(dev, fmt, ...) no_printk("%s" fmt, dev_name(dev), ##__VA_ARGS__)
#endif
#endif
