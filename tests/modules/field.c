/* A field called jiffies, as a driver may have one: beside it jiffies is no macro. */
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/workqueue.h>

static struct {
    unsigned long jiffies;
    unsigned long behind;
    struct delayed_work work;
} begun;

static void look(struct work_struct *work) {
    unsigned long now = jiffies;

    begun.behind = max(begun.behind, (unsigned long)get_jiffies_64() - now);
    if (time_before(now, begun.jiffies + 300))
        schedule_delayed_work(&begun.work, 1);
    else
        pr_info("field: 300 jiffies later\n");
}

static int __init field_init(void) {
    begun.jiffies = jiffies;
    INIT_DELAYED_WORK(&begun.work, look);
    schedule_delayed_work(&begun.work, 1);
    return 0;
}

static void __exit field_exit(void) {
    cancel_delayed_work_sync(&begun.work);
    pr_info("field: at most %lu behind\n", begun.behind);
}

module_init(field_init);
module_exit(field_exit);
MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("Reads jiffies as a variable");
