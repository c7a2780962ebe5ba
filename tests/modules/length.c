/* A file whose show function goes by how much text there is, in a work item. */
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/workqueue.h>

static struct seq_file *text;
static DECLARE_COMPLETION(full);

static void line(struct work_struct *work) {
    seq_printf(text, "%zu\n", text->count);
    if (text->count < 20 && !seq_has_overflowed(text))
        schedule_work(work);
    else
        complete(&full);
}
static DECLARE_WORK(writer, line);

static int show(struct seq_file *m, void *v) {
    text = m;
    schedule_work(&writer);
    wait_for_completion(&full);
    return 0;
}

static int __init length_init(void) { return proc_create_single("length", 0444, NULL, show) ? 0 : -ENOMEM; }

static void __exit length_exit(void) { remove_proc_entry("length", NULL); }

module_init(length_init);
module_exit(length_exit);
MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("Reads how much text there is");
