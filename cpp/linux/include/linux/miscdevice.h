#ifndef _LINUX_MISCDEVICE_H
#define _LINUX_MISCDEVICE_H
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/list.h>
#define MISC_MAJOR 10
#define MISC_DYNAMIC_MINOR 255
struct miscdevice {
    int minor;
    const char *name;
    const struct file_operations *fops;
    struct list_head list;
    struct device *parent;
    struct device *this_device;
    const char *nodename;
    umode_t mode;
};
int misc_register(struct miscdevice *misc) __bh_symbol(misc_register);
void misc_deregister(struct miscdevice *misc) __bh_symbol(misc_deregister);
#define module_misc_device(misc)                                        \
    static int __init __bh_misc_init(void) { return misc_register(&(misc)); } \
    module_init(__bh_misc_init);                                        \
    static void __exit __bh_misc_exit(void) { misc_deregister(&(misc)); } \
    module_exit(__bh_misc_exit)
#endif
