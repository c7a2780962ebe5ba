/* Writes a little beyond an object, which a slab has room for. */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

static int __init beyond_init(void) {
    int i;

    for (i = 0; i < 64; i++) {
        char *object = kmalloc(4200, GFP_KERNEL);

        if (!object) return -ENOMEM;
        memset(object, 'x', 8192);
        object = krealloc(object, 9000, GFP_KERNEL);
        memset(object, 'y', 16384);
        kfree(object);
    }
    pr_info("beyond: done\n");
    return 0;
}

static void __exit beyond_exit(void) {}

module_init(beyond_init);
module_exit(beyond_exit);
MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("Has what slabs give, not only what it asked for");
