#ifndef _LINUX_CDEV_H
#define _LINUX_CDEV_H
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/kobject.h>
#include <linux/list.h>
struct cdev {
    const struct file_operations *ops;
    struct module *owner;
    struct list_head list;
    u32 dev;
    unsigned int count;
    bool __allocated;
    struct kobject kobj; /* counted; the device ends by cdev_del() */
};
void cdev_init(struct cdev *cdev, const struct file_operations *fops) __bh_symbol(cdev_init);
struct cdev *cdev_alloc(void) __bh_symbol(cdev_alloc);
int cdev_add(struct cdev *cdev, dev_t dev, unsigned int count) __bh_symbol(cdev_add);
void cdev_del(struct cdev *cdev) __bh_symbol(cdev_del);
#endif
